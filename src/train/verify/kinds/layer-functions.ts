import { binaryCrossEntropyWithLogits } from "../../../autograd/functions/binary-cross-entropy.ts";
import { cosineDistance } from "../../../autograd/functions/cosine-distance.ts";
import { crossEntropy } from "../../../autograd/functions/cross-entropy.ts";
import { gelu } from "../../../autograd/functions/gelu.ts";
import { layerNorm } from "../../../autograd/functions/layer-norm.ts";
import { linear } from "../../../autograd/functions/linear.ts";
import { logSoftmax } from "../../../autograd/functions/log-softmax.ts";
import { mean } from "../../../autograd/functions/mean.ts";
import { mseLoss } from "../../../autograd/functions/regression-losses.ts";
import { softmax } from "../../../autograd/functions/softmax.ts";
import { detach } from "../../../autograd/graph.ts";
import { add, div, mul, sub } from "../../../autograd/ops/arithmetic.ts";
import { max } from "../../../autograd/ops/extrema.ts";
import { gather } from "../../../autograd/ops/indexing.ts";
import { expandDims, reshape, transpose } from "../../../autograd/ops/layout.ts";
import { matmul } from "../../../autograd/ops/linalg.ts";
import { sum } from "../../../autograd/ops/reduce.ts";
import { where } from "../../../autograd/ops/select.ts";
import { erf, exp, log, sigmoid, tanh } from "../../../autograd/ops/transcendental.ts";
import { eye } from "../../../tensor/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { extractPatches } from "../../../vilt/patch-embedding.ts";
import type { Layer, LayerInputs } from "./layer-inputs.ts";

const unary =
  (f: (x: Tensor) => Tensor): Layer =>
  ({ tensor }) =>
    f(tensor("x"));
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Layer =>
  ({ tensor }) =>
    f(tensor("a"), tensor("b"));
const alongAxis =
  (f: (x: Tensor, axis: number) => Tensor): Layer =>
  ({ tensor, attributes }) =>
    f(tensor("x"), Number(attributes.dim));

/** Operations that are functions here, by the reference's names. */
export const functions: Readonly<Record<string, Layer>> = {
  layernorm: ({ tensor, attributes }) => layerNorm(tensor("x"), tensor("w"), tensor("b"), Number(attributes.eps)),
  gelu: unary(gelu),
  tanh: unary(tanh),
  sigmoid: unary(sigmoid),
  erf: unary(erf),
  softmax: alongAxis(softmax),
  logsoftmax: alongAxis(logSoftmax),
  mean: alongAxis(mean),
  max: alongAxis(max),
  logsumexp: alongAxis((x, axis) => {
    const largest = detach(max(x, axis, { keepDims: true }));
    return add(log(sum(exp(sub(x, largest)), axis)), reshape(largest, max(x, axis).shape));
  }),
  maskedsoftmax({ tensor }) {
    const mask = tensor("mask"); // [B, N], over the keys of scores [B, h, N, N]
    const keys = reshape(mask, [mask.shape[0]!, 1, 1, mask.shape[1]!]);
    return softmax(where(keys, tensor("x"), Number.NEGATIVE_INFINITY));
  },
  linear: ({ tensor, has }) => linear(tensor("x"), tensor("w"), has("b") ? tensor("b") : null),
  patchembed: patchEmbedding,
  patchembedcrop: patchEmbedding,
  crossentropy({ tensor, attributes }) {
    const labels = tensor("target");
    const loss = crossEntropy(tensor("x"), labels);
    const counted = labels.dataSync().filter((label) => label >= 0).length;
    return attributes.reduction === "sum" ? mul(loss, counted) : loss;
  },
  bce({ tensor, attributes }) {
    const [x, target] = [tensor("x"), detach(tensor("target"))];
    const isMean = attributes.reduction !== "none";
    const loss = binaryCrossEntropyWithLogits(x, target, { reduction: isMean ? "mean" : "none" });
    return isMean ? mul(loss, x.shape.at(-1)!) : loss;
  },
  matmul: binary((a, b) => matmul(a, b)),
  add: binary(add),
  mul: binary(mul),
  div: binary(div),
  /** x / max(‖x‖, eps), as it stands in the cosine distance: 1 − c(x, eⱼ). */
  normalize({ tensor, underTest }) {
    const x = tensor("x");
    const basis = eye(x.shape[1]!, x.shape[1]!, underTest);
    return reshape(sub(1, cosineDistance(expandDims(x, 0), expandDims(basis, 0))), x.shape);
  },
  indexselect: ({ tensor }) => transpose(gather(transpose(tensor("x"), 0, 1), tensor("idx")), 0, 1),
  mse: ({ tensor }) => mseLoss(tensor("x"), tensor("t")),
};

/** Convolution whose stride is its kernel: y [B, d, gh, gw]. */
function patchEmbedding({ tensor, attributes }: LayerInputs): Tensor {
  const [x, weight] = [tensor("x"), tensor("p.proj.weight")];
  const [B, , H, W] = x.shape as [number, number, number, number];
  const [p, d] = [Number(attributes.patch_size), weight.shape[0]!];
  const tokens = linear(extractPatches(x, p), reshape(weight, [d, -1]), tensor("p.proj.bias"));
  return reshape(transpose(tokens), [B, d, Math.floor(H / p), Math.floor(W / p)]);
}
