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
export { getThreads, setThreads } from "./tensor/devices.ts";
export type { DType, TypedArray } from "./tensor/dtype.ts";
export {
  ConfigError,
  DataError,
  DeviceError,
  DTypeError,
  GradientError,
  ReleasedError,
  ShapeError,
  ViltgradError,
} from "./tensor/errors.ts";
export { formatTensor } from "./tensor/print.ts";
export { Rng, type RngState } from "./tensor/rng.ts";
export { scope } from "./tensor/scope.ts";
export type { Shape } from "./tensor/shape.ts";
export { Tensor } from "./tensor/tensor.ts";

// Derivatives
import "./autograd/fluent.ts";

// Operations
export { attention, attentionWeights } from "./autograd/functions/attention.ts";
export { binaryCrossEntropyWithLogits } from "./autograd/functions/binary-cross-entropy.ts";
export { cosineDistance } from "./autograd/functions/cosine-distance.ts";
export { crossEntropy } from "./autograd/functions/cross-entropy.ts";
export { dropout } from "./autograd/functions/dropout.ts";
export { gelu } from "./autograd/functions/gelu.ts";
export { type IpotOptions, ipot } from "./autograd/functions/ipot.ts";
export { layerNorm } from "./autograd/functions/layer-norm.ts";
export { linear } from "./autograd/functions/linear.ts";
export { logSoftmax } from "./autograd/functions/log-softmax.ts";
export { mean } from "./autograd/functions/mean.ts";
export { softmax } from "./autograd/functions/softmax.ts";
export { variance } from "./autograd/functions/variance.ts";
export { applyFused, defineFused, type Fused } from "./autograd/fused.ts";
export { backward, type GradOptions, grad, valueAndGrad } from "./autograd/grad.ts";
export {
  checkFused,
  checkGrads,
  type GradcheckOptions,
  type GradcheckResult,
  gradcheck,
} from "./autograd/gradcheck.ts";
export { detach, noGrad, Parameter, variable } from "./autograd/graph.ts";
export { add, div, mul, neg, reciprocal, square, sub } from "./autograd/ops/arithmetic.ts";
export { abs, argmax, max, maximum, min, minimum, relu, sign } from "./autograd/ops/extrema.ts";
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
export { broadcastTo, sum, sumTo } from "./autograd/ops/reduce.ts";
export { cast, equal, greater, greaterEqual, less, lessEqual, where } from "./autograd/ops/select.ts";
export { cos, erf, exp, log, pow, rsqrt, sigmoid, sin, sqrt, tanh } from "./autograd/ops/transcendental.ts";
export { apply, definePrimitive, type Primitive } from "./autograd/primitive.ts";
// Data, training and pictures
export { collate, collateImages, collateTexts } from "./data/batch.ts";
export type { Box, CaptionedImages, Sample, Thing } from "./data/dataset.ts";
export { normalizeImage, type PlanarImage, prepareImage, type RgbImage, resizeBicubic } from "./data/image.ts";
export { maskTokens } from "./data/masking.ts";
export { parseSafetensors, serializeSafetensors } from "./data/safetensors.ts";
export { type Encoding, Tokenizer } from "./data/tokenizer.ts";
export { trainVocabulary, vocabularyOf } from "./data/vocabulary.ts";
// Layers and optimisers
export { Dropout } from "./nn/dropout.ts";
export { Embedding } from "./nn/embedding.ts";
export type { Initializer, LayerOptions } from "./nn/init.ts";
export { LayerNorm } from "./nn/layer-norm.ts";
export { Linear } from "./nn/linear.ts";
export { Mlp } from "./nn/mlp.ts";
export { type HostArray, Module } from "./nn/module.ts";
export { MultiHeadSelfAttention } from "./nn/multi-head-self-attention.ts";
export { AdamW, type AdamwOptions } from "./optim/adamw.ts";
export { clipFactor, globalNorm } from "./optim/clip.ts";
export { decayGroups, type ParameterGroup } from "./optim/groups.ts";
export { cosineDecay, polynomialDecay, type Schedule } from "./optim/schedules.ts";
export { Sgd, type SgdOptions } from "./optim/sgd.ts";
export { Pretrainer, type StepMetrics } from "./train/pretrainer.ts";
export { type TrainingSettings, trainingSettings } from "./train/settings.ts";
// ViLT
export { getPreset, type Preset, parseViltConfig, presetNames, type ViltConfig } from "./vilt/config.ts";
export { Encoder } from "./vilt/encoder.ts";
export { EncoderLayer } from "./vilt/encoder-layer.ts";
export { ImageTextMatchingHead } from "./vilt/heads/image-text-matching.ts";
export { MaskedLanguageModelingHead } from "./vilt/heads/masked-language-modeling.ts";
export { transportHeatMap } from "./vilt/heat-map.ts";
export { ViltForImagePairs } from "./vilt/image-pair-classification.ts";
export { interpolateGrid } from "./vilt/interpolation.ts";
export { ModalityTypeEmbedding } from "./vilt/modality-type-embedding.ts";
export { Vilt, type ViltInput, type ViltOutput } from "./vilt/model.ts";
export { PatchEmbedding } from "./vilt/patch-embedding.ts";
export { Pooler } from "./vilt/pooler.ts";
export { alignmentOf, type PretrainingBatch, ViltForPretraining } from "./vilt/pretraining.ts";
export { questionAnsweringLoss, ViltForQuestionAnswering } from "./vilt/question-answering.ts";
export { retrievalLoss, ViltForRetrieval } from "./vilt/retrieval.ts";
export { TextEmbedding } from "./vilt/text-embedding.ts";
export { loadPublishedWeights, publishedWeights } from "./vilt/weights.ts";
export { alignmentFigure } from "./viz/alignment.ts";
export { lineChart } from "./viz/line-chart.ts";
