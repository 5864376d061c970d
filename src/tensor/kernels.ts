import type { DType } from "./dtype.ts";

type None = Record<string, never>;
type Axes = { readonly axes: readonly number[] };
type Axis = { readonly axis: number };

/**
 * The kernels that every device can answer: `cpu` has all of them, other devices fall back to it. A row gives the
 * attributes of a kernel; the operands and the output carry their shapes and dtypes themselves. A kernel fills a
 * fresh, uninitialised, row-major output; each output cell is a function of the inputs, so work splits over cells.
 */
export interface PrimitiveKernels {
  // Element-wise. Operands broadcast to the output's shape. Comparisons give int32 0 or 1.
  add: None;
  sub: None;
  mul: None;
  div: None;
  pow: None;
  maximum: None;
  minimum: None;
  equal: None;
  less: None;
  lessEqual: None;
  /** (condition, x, y): x where the condition is not 0, else y. */
  where: None;
  neg: None;
  abs: None;
  sign: None;
  exp: None;
  /** eˣ − 1, exact near 0. */
  expm1: None;
  log: None;
  /** log(1 + x), exact near 0. */
  log1p: None;
  sqrt: None;
  tanh: None;
  sigmoid: None;
  erf: None;
  erfc: None;
  /** Φ, the normal distribution function. */
  normalCdf: None;
  sin: None;
  cos: None;
  /** Inverted dropout: cell i is x / (1 − p) or 0, decided by a counter-based generator from (seed, i). */
  dropout: { readonly probability: number; readonly seed: number };
  /** Converts to the output's dtype; float to int32 truncates. */
  cast: None;
  // Reductions. The output lacks the reduced axes or has them as 1: the same bytes.
  sum: Axes;
  max: Axes;
  min: Axes;
  prod: Axes;
  /** Index of the first maximum, int32. */
  argmax: Axis;
  // Along one axis; the output has the input's shape.
  /** Cell i is the sum of cells 0 … i. */
  cumsum: Axis;
  /** Positions in stable order, int32; NaN counts as the largest. */
  argsort: Axis & { readonly descending: boolean };
  // Layout: the output's shape says the rest.
  permute: Axes;
  broadcastTo: None;
  /** Output cell i reads input cell start + i · step along each axis; a step may be negative. */
  slice: { readonly starts: readonly number[]; readonly steps: readonly number[] };
  /** The input stands at `starts` (every `steps`-th cell) in an output of `value`: the transpose of slice. */
  pad: { readonly starts: readonly number[]; readonly steps: readonly number[]; readonly value: number };
  concat: Axis;
  // Indexing. Indices are int32.
  /** (table, indices): rows along axis 0; output [...indices, ...table.shape.slice(1)]. */
  gather: None;
  /** (updates, indices): the transpose of gather; adds updates to the rows of a zero output. */
  scatterAdd: None;
  /** (x, indices): output like indices; reads x at the index along `axis`. */
  takeAlongAxis: Axis;
  /** (updates, indices): the transpose; adds updates into a zero output along `axis`. */
  putAlongAxis: Axis;
  // Linear algebra.
  /** Batched product with broadcast batch axes; a flag reads that operand's last two axes swapped. */
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
}

export interface AttentionAttributes {
  readonly numHeads: number;
  readonly hasMask: boolean;
  readonly queries: number;
}

/**
 * Kernels that stand for a function of other operations (see `autograd/fused.ts`). A device may have any of them;
 * without one, the definition runs. Shapes: x [..., d] is read as rows of its last axis.
 */
export interface FusedKernels {
  /** (x [..., in], weight [out, in], bias? [out], residual? like the output) → x Wᵀ + b + residual. */
  linear: { readonly hasBias: boolean; readonly hasResidual: boolean };
  /** (x, weight, bias?) → GELU of the same. */
  linearGelu: { readonly hasBias: boolean };
  /** (a [m, k], b [k, n], addend [m, n]) → their product and the addend; the flags are those of matmul. */
  matmulAdd: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** (a [m, k], b [k, n], factor [m, n]) → their product times the factor, cell by cell. */
  matmulMul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** gelu(x) = x Φ(x). */
  gelu: None;
  /** (x, grad). */
  geluBackward: None;
  /** Over the last axis. */
  softmax: None;
  /** (out, grad). */
  softmaxBackward: None;
  logSoftmax: None;
  /** (x, weight [d], bias [d]). */
  layerNorm: { readonly eps: number };
  /** (x, weight [d], grad, addend? like x) → x̄, and the addend. */
  layerNormBackward: { readonly eps: number };
  /** (x, grad) → Σ over rows of grad · x̂, [d]. */
  layerNormBackwardWeight: { readonly eps: number };
  /** (qkv [B, N, 3d], mask? int32 [B, N]) → [B, queries, d] of the first tokens, without keeping the weights. */
  attention: AttentionAttributes;
  /** (qkv, out, grad [B, queries, d], mask?) → [B, N, 3d]. */
  attentionBackward: AttentionAttributes;
  /** (logits [n, V], labels int32 [n]) → mean negative log-likelihood over labels ≥ 0, []; 0 when there is none. */
  crossEntropy: None;
  /** (logits, labels, grad []) → [n, V]. */
  crossEntropyBackward: None;
  /** (cost [B, M, N], rowMask int32 [B, M], columnMask int32 [B, N]) → transport plan [B, N, M]. */
  ipot: { readonly beta: number; readonly iterations: number };
  /** Tensors of any shapes → Σ x² over all their cells, []. */
  sumOfSquares: None;
}

/**
 * Kernels with several results: the output, and the last operands, which the caller has just made. Each stands for
 * functions of the same operands (see `autograd/joint.ts`); a device may have any of them.
 */
export interface JointKernels {
  /** (x [..., in], weight [out, in], bias [out]; slopes like the output) → GELU of x Wᵀ + b, and its derivative there. */
  linearGeluSlopes: None;
  /** (grad [n, out], x [n, in], addend? like W̄; b̄ [out]) → W̄ = gradᵀ x and the addend, and b̄ = Σ grad over rows. */
  linearGradients: None;
  /** (x, weight [d], grad, addend? like x; w̄ [d], b̄ [d]) → layerNormBackward, and the gradients of weight and bias. */
  layerNormGradients: { readonly eps: number };
}

/**
 * Kernels that change their operands in place; optimisers alone use them, on cells that they own. The last operand, [], is
 * a factor of all gradients: for clipping, or for the mean over accumulated batches.
 */
export interface UpdateKernels {
  /** (parameter, grad, m, v) of each parameter in turn, and the factor: a step of Adam or AdamW; all but grad change. */
  adamw: AdamwAttributes;
  /** (parameter, grad, velocity) of each parameter in turn, and the factor: a step of SGD with momentum. */
  sgd: SgdAttributes;
}

export interface SgdAttributes {
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

/** The members of Adam's family differ in where ε and the decay stand; the optimiser works that out. */
export interface AdamwAttributes {
  readonly beta1: number;
  readonly beta2: number;
  /** Added to √v. */
  readonly eps: number;
  /** Multiplies m / (√v + ε): the learning rate with its bias correction. */
  readonly stepSize: number;
  /** This part of the parameter is added to the gradient, or taken from the parameter before or after the step. */
  readonly gradientDecay: number;
  readonly decayBefore: number;
  readonly decayAfter: number;
}

export type KernelTable = PrimitiveKernels & FusedKernels & JointKernels & UpdateKernels;
export type PrimitiveName = keyof PrimitiveKernels;
export type FusedName = keyof FusedKernels;
export type JointName = keyof JointKernels;
export type UpdateName = keyof UpdateKernels;
export type KernelName = keyof KernelTable;
export type Attributes<K extends KernelName> = KernelTable[K];

/** What an operation's output will be, known before any kernel runs. */
export interface TensorMeta {
  readonly shape: readonly number[];
  readonly dtype: DType;
}
