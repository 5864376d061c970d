import { attention } from "../../src/autograd/functions/attention.ts";
import { batchNorm } from "../../src/autograd/functions/batch-norm.ts";
import { clamp } from "../../src/autograd/functions/clamp.ts";
import { conv1d, conv2d } from "../../src/autograd/functions/convolution.ts";
import { crossEntropy, crossEntropyFused } from "../../src/autograd/functions/cross-entropy.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import { einsum } from "../../src/autograd/functions/einsum.ts";
import { groupNorm } from "../../src/autograd/functions/group-norm.ts";
import { ipot } from "../../src/autograd/functions/ipot.ts";
import { layerNorm } from "../../src/autograd/functions/layer-norm.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { maskedFill } from "../../src/autograd/functions/masked-fill.ts";
import { norm } from "../../src/autograd/functions/norm.ts";
import { oneHot } from "../../src/autograd/functions/one-hot.ts";
import { maxPool1d, maxPool2d } from "../../src/autograd/functions/pooling.ts";
import { mseLoss, smoothL1Loss } from "../../src/autograd/functions/regression-losses.ts";
import { resizeBilinear } from "../../src/autograd/functions/resize-bilinear.ts";
import { rmsNorm } from "../../src/autograd/functions/rms-norm.ts";
import { roll } from "../../src/autograd/functions/roll.ts";
import { scaledDotProductAttention } from "../../src/autograd/functions/scaled-dot-product-attention.ts";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { topK } from "../../src/autograd/functions/sort.ts";
import { tile } from "../../src/autograd/functions/tile.ts";
import { applyFused } from "../../src/autograd/fused.ts";
import { tensor } from "../../src/tensor/create.ts";
import { f32, f64, i32, type Row } from "./row.ts";

/** Composed and fused functions. */
export const functions: readonly Row[] = [
  [() => attention(f32(2, 3, 10), 2), "attention: [B, N, 3d] with d a multiple of 2 heads is needed: [2, 3, 10]"],
  [() => attention(f32(2, 3, 12), 2, f32(2, 3)), "attention: the mask is float32, not int32; cast() it"],
  [() => attention(f32(2, 3, 12), 2, undefined, 4), "attention: 4 queries of 3 tokens: [2, 3, 12]"],
  [() => attention(f32(2, 3, 12), 2, i32(2, 4)), "attention: the mask is not [B, N]: [2, 3, 12] and [2, 4]"],
  [
    () => scaledDotProductAttention(f32(2, 3, 4), f32(2, 3, 5), f32(2, 3, 4)),
    "scaledDotProductAttention: q [..., N, dh], k [..., M, dh] and v [..., M, dv] are needed: [2, 3, 4] and [2, 3, 5] and [2, 3, 4]",
  ],
  [
    () => scaledDotProductAttention(f32(3, 4), f32(3, 4), f32(3, 4), { mask: f32(3, 3) }),
    "scaledDotProductAttention: the mask is float32, not int32; 1 = may attend, 0 = excluded",
  ],
  [
    () => scaledDotProductAttention(f32(3, 4), f32(3, 4), f32(3, 4), { mask: i32(2, 3, 3) }),
    "scaledDotProductAttention: the mask does not broadcast to the scores: [2, 3, 3] and [3, 3]",
  ],
  [() => batchNorm(f32(3)), "batchNorm: channels on axis 1 are needed: [3]"],
  [() => batchNorm(f32(1, 3)), "batchNorm: a channel of 1 cells has no variance: [1, 3]; running statistics have one"],
  [
    () => batchNorm(f32(2, 3), { weight: f32(2) }),
    "batchNorm: the weight is not one number for each channel on axis 1: [2, 3] and [2]",
  ],
  [() => groupNorm(f32(3), 1), "groupNorm: channels on axis 1 are needed: [3]"],
  [() => groupNorm(f32(2, 3), 2), "groupNorm: 3 channels do not divide into 2 groups: [2, 3]"],
  [() => rmsNorm(f32(2, 0)), "rmsNorm: a last axis of at least one cell is needed: [2, 0]"],
  [() => rmsNorm(f32(2, 3), f32(2)), "rmsNorm: the weight does not have the length of the last axis: [2, 3] and [2]"],
  [
    () => layerNorm(f32(2, 3), f32(2), f32(2), 1e-6),
    "layerNorm: weight and bias have the length of the last axis: [2, 3] and [2]",
  ],
  [() => linear(f32(2, 3), f32(4, 5)), "linear: the last axis of x is not the weight's second: [2, 3] and [4, 5]"],
  [
    () => linear(f32(2, 3), f32(4, 3), f32(3)),
    "linear: the bias does not have the length of the weight's first axis: [3] and [4, 3]",
  ],
  [
    () => linear(f32(2, 3), f32(4, 3), f32(4), f32(2, 3)),
    "linear: the residual does not have the output's shape: [2, 3] and [2, 4]",
  ],
  [
    () => conv1d(f32(1, 2), f32(1, 2, 3)),
    "conv1d: x [B, C, L] and weight [out, C / groups, k] are needed: [1, 2] and [1, 2, 3]",
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 2, 3, 3), { groups: 2 }),
    "conv2d: channels do not divide into 2 groups: [1, 2, 4, 4] and [3, 2, 3, 3]",
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 4, 3, 3)),
    "conv2d: kernels of 4 channels for 2 channels in 1 group: [1, 2, 4, 4] and [3, 4, 3, 3]",
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 2, 3, 3), { bias: f32(2) }),
    "conv2d: the bias does not have the length of the weight's first axis: [2] and [3, 2, 3, 3]",
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 2, 3, 3), { padding: "same", stride: 2 }),
    'conv2d: padding "same" needs a stride of 1; give the padding as numbers',
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 2, 3, 3), { stride: [1, 2, 3] }),
    "conv2d: stride [1, 2, 3] is not 2 whole numbers of at least 1",
  ],
  [
    () => conv2d(f32(1, 2, 4, 4), f32(3, 2, 5, 3)),
    "conv2d: a window of 5 cells does not fit on axis 2: [1, 2, 4, 4]; with padding it has 4",
  ],
  [() => maxPool2d(f32(4), 2), "maxPool2d: two axes are needed: [4]"],
  [() => maxPool1d(i32(4), 2), "maxPool1d: an int32 operand; cast() it to float32 first"],
  [
    () => maxPool1d(f32(4), 2, { padding: 2 }),
    "maxPool1d: a padding of 2 is more than half of the window's 2 cells: [4]",
  ],
  [() => softmax(f32(2, 0)), "softmax: axis -1 is empty: [2, 0]"],
  [() => dropout(f32(2), 1), "dropout: a probability of 1 is not in [0, 1)"],
  [() => clamp(f32(2), 1, 0), "clamp: no number lies between 1 and 0"],
  [() => norm(f32(2), 0, { p: 0.5 }), "norm: p = 0.5 is not at least 1"],
  [() => norm(f32(2, 0), 1, { p: Infinity }), "norm: an empty axis has no largest magnitude: [2, 0]"],
  [() => oneHot(i32(2), 1.5), "oneHot: 1.5 is not a number of classes: [2]"],
  [() => tile(f32(2), [-1]), "tile: [-1] are not whole, non-negative numbers of repeats: [2]"],
  [() => roll(f32(2, 3), [1, 2], 0), "roll: 2 shifts for 1 axes: [2, 3]"],
  [() => roll(f32(2, 3), 0.5, 0), "roll: a shift of 0.5 is not whole: [2, 3]"],
  [() => topK(f32(2, 3), 4), "topK: k = 4 does not fit axis -1 of length 3: [2, 3]"],
  [() => maskedFill(f32(2), i32(2, 3), 0), "maskedFill: axis 1 does not broadcast (2 against 3): [2] and [2, 3]"],
  [() => maskedFill(f32(3), i32(2, 3), 0), "maskedFill: the mask does not broadcast to the shape of x: [3] and [2, 3]"],
  [() => resizeBilinear(f32(3), [2, 2]), "resizeBilinear: images [..., H, W] are needed: [3]"],
  [() => resizeBilinear(i32(3, 3), [2, 2]), "resizeBilinear: an int32 operand; cast() it to float32 first"],
  [() => resizeBilinear(f32(3, 0), [2, 2]), "resizeBilinear: an empty image has no cells to read: [3, 0]"],
  [
    () => resizeBilinear(f32(3, 3), [2, 0]),
    "resizeBilinear: the size [2, 0] is not two whole numbers of at least 1: [3, 3]",
  ],
  [() => mseLoss(f32(2, 1), f32(2)), "mseLoss: the target does not have the shape of the prediction: [2, 1] and [2]"],
  [
    () => mseLoss(f32(2), f32(2), { reduction: "median" as "mean" }),
    'mseLoss: the reduction "median" is none of mean, sum and none',
  ],
  [() => smoothL1Loss(f32(2), f32(2), { beta: -1 }), "smoothL1Loss: beta is -1, not at least 0"],
  [() => crossEntropy(f32(2, 3), f32(2)), "crossEntropy: labels are float32, not int32"],
  [
    () => crossEntropy(f32(2, 3), f32(3)),
    "crossEntropy: distributions do not have the shape of the logits: [2, 3] and [3]",
  ],
  [
    () => crossEntropy(f32(2, 3, 4), i32(2, 3)),
    "crossEntropy: labels do not have the shape of the logits without axis 1, the classes: [2, 3, 4] and [2, 3]; { axis: -1 } reads classes along the last axis",
  ],
  [
    () => crossEntropy(f32(2, 3), i32(2), { weight: f32(2) }),
    "crossEntropy: the weight is not one number for each class on axis 1: [2, 3] and [2]",
  ],
  [
    () => crossEntropy(f32(2, 3), i32(2), { labelSmoothing: 2 }),
    "crossEntropy: a label smoothing of 2 is not in [0, 1]",
  ],
  [
    () => crossEntropy(f32(2, 3), f32(2, 3), { ignoreIndex: 0 }),
    "crossEntropy: ignoreIndex 0 with distributions, which have no labels to ignore",
  ],
  [
    () => crossEntropy(f32(2, 3), tensor([0, 3], { dtype: "int32" })),
    "crossEntropy: label 3 at row 1 is outside [0, 3): [2, 3]",
  ],
  [
    () => crossEntropy(f64(2, 3), tensor([0, 3], { dtype: "int32", device: "cpu" })),
    "takeAlongAxis: index 3 is outside [0, 3)",
  ],
  [() => applyFused(crossEntropyFused, [f32(2, 3), f32(2)], {}), "crossEntropy: labels are float32, not int32"],
  [
    () => applyFused(crossEntropyFused, [f32(2, 3), i32(3)], {}),
    "crossEntropy: logits [n, V] and labels [n] are needed: [2, 3] and [3]",
  ],
  [
    () => ipot(f32(2, 3, 4), i32(2, 4), i32(2, 4), { beta: 0.5, iterations: 5 }),
    "ipot: cost [B, M, N] with masks [B, M] and [B, N] is needed: [2, 3, 4] and [2, 4] and [2, 4]",
  ],
  [
    () => ipot(f32(2, 3, 4), f32(2, 3), i32(2, 4), { beta: 0.5, iterations: 5 }),
    "ipot: masks are float32 and int32, not int32; cast() them",
  ],
  [() => einsum("ij->->", f32(2, 3)), 'einsum: -> stands twice in "ij->->"'],
  [() => einsum("ij,jk->ik", f32(2, 3)), 'einsum: 2 operands for 1 tensors in "ij,jk->ik"'],
  [
    () => einsum("i->i", f32(2, 3)),
    'einsum: "i" does not name each axis of operand 0 in "i->i": [2, 3]; begin it with ...',
  ],
  [
    () => einsum("ij,jk->ik", f32(2, 3), f32(4, 5)),
    'einsum: label j has the lengths 3 and 4 in "ij,jk->ik": [2, 3] and [4, 5]',
  ],
  [
    () => einsum("...i->i", f32(2, 3)),
    'einsum: the axes under ... are missing in the output in "...i->i"; name them to sum over them',
  ],
  [() => einsum("ij->ik", f32(2, 3)), 'einsum: label k of the output is in no operand in "ij->ik"'],
  [() => einsum("i1->i", f32(2, 3)), 'einsum: "1" is no letter in "i1->i"'],
];
