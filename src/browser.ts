// The public surface that runs everywhere. `index.ts` adds what needs Node: files, pictures, run folders.

// Tensors and devices
export { deviceNames, setDefaultDevice } from "./tensor/backend.ts";
export {
  arange,
  eye,
  fromArray,
  fromNdarray,
  full,
  linspace,
  ones,
  type Placement,
  randn,
  tensor,
  uniform,
  zeros,
} from "./tensor/create.ts";
export {
  type GpuCounters,
  getThreads,
  gpuCounters,
  loadGpu,
  resetGpuCounters,
  setBlas,
  setThreads,
} from "./tensor/devices.ts";
export type { DType, TypedArray } from "./tensor/dtype.ts";
export {
  AnomalyError,
  ConfigError,
  DataError,
  DeviceError,
  DTypeError,
  GradientError,
  ReleasedError,
  ShapeError,
  ViltgradError,
} from "./tensor/errors.ts";
export { expectShape } from "./tensor/expect-shape.ts";
export { type DeviceMemory, type MemoryGroup, type MemoryReport, memory } from "./tensor/memory.ts";
export { formatTensor } from "./tensor/print.ts";
export { Rng, type RngState } from "./tensor/rng.ts";
export { scope } from "./tensor/scope.ts";
export type { Shape } from "./tensor/shape.ts";
export { Tensor } from "./tensor/tensor.ts";

// Derivatives
import "./autograd/fluent.ts";

export { anomaly } from "./autograd/anomaly.ts";
export { checkFused } from "./autograd/check-fused.ts";
export { checkpoint } from "./autograd/checkpoint.ts";
export { defineFunction, type FunctionDefinition, type PullBackContext } from "./autograd/define-function.ts";
export { type DerivativeOptions, hessian, hvp, jacobian, jvp, vjp } from "./autograd/derivatives.ts";
export type { GradcheckHint } from "./autograd/diagnosis.ts";

// Operations
export { elu, leakyRelu, silu, softplus } from "./autograd/functions/activations.ts";
export { attention, attentionWeights } from "./autograd/functions/attention.ts";
export {
  type BatchNormOptions,
  type BatchStatistics,
  batchNorm,
  type ChannelStatistics,
  runningStatistics,
} from "./autograd/functions/batch-norm.ts";
export { binaryCrossEntropyWithLogits } from "./autograd/functions/binary-cross-entropy.ts";
export { clamp } from "./autograd/functions/clamp.ts";
export { type ConvolutionOptions, conv1d, conv2d } from "./autograd/functions/convolution.ts";
export { cosineDistance } from "./autograd/functions/cosine-distance.ts";
export { cosineSimilarity } from "./autograd/functions/cosine-similarity.ts";
export { type CrossEntropyOptions, crossEntropy } from "./autograd/functions/cross-entropy.ts";
export { dropout } from "./autograd/functions/dropout.ts";
export { einsum } from "./autograd/functions/einsum.ts";
export { embedding } from "./autograd/functions/embedding.ts";
export { type Affine, feedForward } from "./autograd/functions/feed-forward.ts";
export { type GeluOptions, gelu } from "./autograd/functions/gelu.ts";
export { groupNorm } from "./autograd/functions/group-norm.ts";
export { type IpotOptions, ipot } from "./autograd/functions/ipot.ts";
export { type KlDivergenceOptions, klDivergence } from "./autograd/functions/kl-divergence.ts";
export { layerNorm } from "./autograd/functions/layer-norm.ts";
export { linear } from "./autograd/functions/linear.ts";
export { linearGelu } from "./autograd/functions/linear-gelu.ts";
export { logSoftmax } from "./autograd/functions/log-softmax.ts";
export { logSumExp } from "./autograd/functions/log-sum-exp.ts";
export { maskedFill } from "./autograd/functions/masked-fill.ts";
export { mean } from "./autograd/functions/mean.ts";
export { type NormOptions, norm } from "./autograd/functions/norm.ts";
export { normalize } from "./autograd/functions/normalize.ts";
export { oneHot } from "./autograd/functions/one-hot.ts";
export {
  type AveragePoolingOptions,
  avgPool1d,
  avgPool2d,
  type MaxPoolingOptions,
  maxPool1d,
  maxPool2d,
} from "./autograd/functions/pooling.ts";
export type { LossOptions, Reduction } from "./autograd/functions/reduction.ts";
export { l1Loss, mseLoss, smoothL1Loss } from "./autograd/functions/regression-losses.ts";
export { resizeBilinear } from "./autograd/functions/resize-bilinear.ts";
export { rmsNorm } from "./autograd/functions/rms-norm.ts";
export { roll } from "./autograd/functions/roll.ts";
export {
  type ScaledDotProductOptions,
  scaledDotProductAttention,
  scaledDotProductWeights,
} from "./autograd/functions/scaled-dot-product-attention.ts";
export { softmax } from "./autograd/functions/softmax.ts";
export { type Sorted, sort, type TopKOptions, topK } from "./autograd/functions/sort.ts";
export { std } from "./autograd/functions/std.ts";
export { sumOfSquares } from "./autograd/functions/sum-of-squares.ts";
export { tile } from "./autograd/functions/tile.ts";
export { toDevice } from "./autograd/functions/to-device.ts";
export { type VarianceOptions, variance } from "./autograd/functions/variance.ts";
export { applyFused, defineFused, type Fused } from "./autograd/fused.ts";
export { backward, type GradOptions, grad, valueAndGrad } from "./autograd/grad.ts";
export {
  checkGrads,
  formatGradcheck,
  type GradcheckOptions,
  type GradcheckResult,
  gradcheck,
  gradgradcheck,
} from "./autograd/gradcheck.ts";
export { detach, noGrad, Parameter, variable } from "./autograd/graph.ts";
export { type GradHook, onGrad } from "./autograd/hooks.ts";
export { add, div, mul, neg, reciprocal, square, sub } from "./autograd/ops/arithmetic.ts";
export { abs, argmax, argmin, max, maximum, min, minimum, relu, sign } from "./autograd/ops/extrema.ts";
export { gather, putAlongAxis, scatterAdd, takeAlongAxis } from "./autograd/ops/indexing.ts";
export {
  concat,
  expandDims,
  flip,
  pad,
  permute,
  reshape,
  select,
  slice,
  split,
  squeeze,
  stack,
  transpose,
} from "./autograd/ops/layout.ts";
export { matmul } from "./autograd/ops/linalg.ts";
export { prod } from "./autograd/ops/product.ts";
export { broadcastTo, sum, sumTo } from "./autograd/ops/reduce.ts";
export { cumsum } from "./autograd/ops/scan.ts";
export { cast, equal, greater, greaterEqual, less, lessEqual, notEqual, where } from "./autograd/ops/select.ts";
export { argsort, type SortOptions } from "./autograd/ops/sort.ts";
export {
  cos,
  erf,
  erfc,
  exp,
  expm1,
  log,
  log1p,
  normalCdf,
  normalDensity,
  pow,
  rsqrt,
  sigmoid,
  sin,
  sqrt,
  tanh,
} from "./autograd/ops/transcendental.ts";
export { apply, definePrimitive, type Primitive } from "./autograd/primitive.ts";
// Data, training and pictures
export { answerScore, frequentAnswers, majorityAnswer, normalizeAnswer } from "./data/answers.ts";
export { collate, collateImages, collateTexts } from "./data/batch.ts";
export { chineseContinuations, hasIdeograph, type Segmenter } from "./data/chinese-words.ts";
export { invert } from "./data/color-operations.ts";
export type { Box, CaptionedImages, Sample, SampleOptions, Thing } from "./data/dataset.ts";
export {
  denormalizeImage,
  normalizeImage,
  type PlanarImage,
  prepareImage,
  type RgbImage,
  resizeBicubic,
} from "./data/image.ts";
export { ImageProcessor } from "./data/image-processor.ts";
export { maskTokens, wholeWordGroups } from "./data/masking.ts";
export { EXAMPLE_SENTENCE, exampleVocabulary, type MaskingStages, maskingStages } from "./data/masking-stages.ts";
export {
  type AugmentListName,
  type AugmentOperation,
  type AugmentOperationName,
  augmentLists,
  augmentOperations,
  augmentValue,
  type DrawnOperation,
  drawOperations,
  type RandAugmentOptions,
  randAugment,
} from "./data/rand-augment.ts";
export { parseSafetensors, serializeSafetensors } from "./data/safetensors.ts";
export { type Encoding, Tokenizer } from "./data/tokenizer.ts";
export { trainVocabulary, vocabularyOf } from "./data/vocabulary.ts";
// Layers and optimisers
export { BatchNorm } from "./nn/batch-norm.ts";
export { Conv2d, type Conv2dOptions } from "./nn/conv2d.ts";
export { Dropout } from "./nn/dropout.ts";
export { Embedding } from "./nn/embedding.ts";
export { GroupNorm } from "./nn/group-norm.ts";
export type { Initializer, LayerOptions } from "./nn/init.ts";
export { LayerNorm } from "./nn/layer-norm.ts";
export { Linear } from "./nn/linear.ts";
export { Mlp } from "./nn/mlp.ts";
export { type HostArray, Module } from "./nn/module.ts";
export { MultiHeadSelfAttention } from "./nn/multi-head-self-attention.ts";
export { RmsNorm } from "./nn/rms-norm.ts";
export { type LayerSummary, type ModelSummary, summary } from "./nn/summary.ts";
export { AdamW, type AdamwOptions } from "./optim/adamw.ts";
export { clipFactor, globalNorm, squaredNorm } from "./optim/clip.ts";
export { decayGroups, type ParameterGroup } from "./optim/groups.ts";
export { cosineDecay, polynomialDecay, type Schedule } from "./optim/schedules.ts";
export { Sgd, type SgdOptions } from "./optim/sgd.ts";
export { Batches, type HostBatch, uploadBatch } from "./train/batches.ts";
export { Pretrainer, type StepMetrics } from "./train/pretrainer.ts";
export { type TrainingSettings, trainingSettings } from "./train/settings.ts";
// ViLT
export { getPreset, type Preset, parseViltConfig, presetNames, type ViltConfig } from "./vilt/config.ts";
export { Encoder } from "./vilt/encoder.ts";
export { EncoderLayer } from "./vilt/encoder-layer.ts";
export { ImageTextMatchingHead } from "./vilt/heads/image-text-matching.ts";
export { MaskedLanguageModelingHead } from "./vilt/heads/masked-language-modeling.ts";
export { transportHeatMap } from "./vilt/heat-map.ts";
export { buildHuggingfaceModel, type HuggingfaceConfig, parseHuggingfaceConfig } from "./vilt/huggingface.ts";
export { ViltForImagePairs } from "./vilt/image-pair-classification.ts";
export { interpolateGrid } from "./vilt/interpolation.ts";
export { ViltForMaskedLanguageModeling } from "./vilt/masked-language-modeling.ts";
export { ModalityTypeEmbedding } from "./vilt/modality-type-embedding.ts";
export { Vilt, type ViltInput, type ViltOutput } from "./vilt/model.ts";
export { marginalErrors } from "./vilt/objectives/word-patch-alignment.ts";
export { PatchEmbedding } from "./vilt/patch-embedding.ts";
export { Pooler } from "./vilt/pooler.ts";
export { alignmentOf, type PretrainingBatch, ViltForPretraining } from "./vilt/pretraining.ts";
export { questionAnsweringLoss, ViltForQuestionAnswering } from "./vilt/question-answering.ts";
export { retrievalLoss, ViltForRetrieval } from "./vilt/retrieval.ts";
export { TextEmbedding } from "./vilt/text-embedding.ts";
export { huggingfaceLayout } from "./vilt/weights/huggingface.ts";
export { originalLayout } from "./vilt/weights/original.ts";
export { loadPublishedWeights, publishedWeights } from "./vilt/weights/weights.ts";
export { alignmentFigure } from "./viz/alignment.ts";
export { type AugmentationGallery, augmentationGallery } from "./viz/augmentation-gallery.ts";
export { type DrawOptions, draw } from "./viz/graph.ts";
export { lineChart } from "./viz/line-chart.ts";
