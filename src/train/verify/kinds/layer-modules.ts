import { select } from "../../../autograd/ops/layout.ts";
import { Embedding } from "../../../nn/embedding.ts";
import { Mlp } from "../../../nn/mlp.ts";
import { MultiHeadSelfAttention } from "../../../nn/multi-head-self-attention.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { parseViltConfig } from "../../../vilt/config.ts";
import { EncoderLayer } from "../../../vilt/encoder-layer.ts";
import { MaskedLanguageModelingHead } from "../../../vilt/heads/masked-language-modeling.ts";
import { Pooler } from "../../../vilt/pooler.ts";
import { TextEmbedding } from "../../../vilt/text-embedding.ts";
import type { Layer, LayerInputs } from "./layer-inputs.ts";

/** Names of a weight and its bias. */
const pair = (published: string, path: string) => ({
  [`${published}.weight`]: `${path}.weight`,
  [`${published}.bias`]: `${path}.bias`,
});

/** The recorded attention. */
function attentionOf({ load, has, shape, attributes, underTest }: LayerInputs): MultiHeadSelfAttention {
  const queryKeyValueBias = has("p.qkv.bias");
  const options = { rng: null, queryKeyValueBias, ...underTest };
  return load(new MultiHeadSelfAttention(shape("x").at(-1)!, Number(attributes.num_heads), options), {
    "p.qkv.weight": "queryKeyValue.weight",
    ...(queryKeyValueBias && { "p.qkv.bias": "queryKeyValue.bias" }),
    ...pair("p.proj", "output"),
  });
}

const maskOf = ({ has, tensor }: LayerInputs): Tensor | undefined => (has("mask") ? tensor("mask") : undefined);

const attention: Layer = (given) => attentionOf(given).forward(given.tensor("x"), { mask: maskOf(given) });

/** Operations that are modules here, by the reference's names. */
export const modules: Readonly<Record<string, Layer>> = {
  attention,
  attentionnomask: attention,
  attentionprobs: (given) => attentionOf(given).weights(given.tensor("x"), maskOf(given)),

  mlp({ load, shape, tensor, underTest }) {
    const [inner, d] = shape("p.fc1.weight") as [number, number];
    const mlp = new Mlp(d, inner, { rng: null, ...underTest });
    return load(mlp, { ...pair("p.fc1", "expand"), ...pair("p.fc2", "contract") }).forward(tensor("x"));
  },

  block(given) {
    const { load, shape, tensor, attributes, underTest } = given;
    const [inner, d] = shape("p.mlp.fc1.weight") as [number, number];
    const config = {
      hiddenSize: d,
      numHeads: Number(attributes.num_heads),
      mlpRatio: inner / d,
      dropout: 0,
      queryKeyValueBias: true,
      encoderEps: Number(attributes.eps),
    };
    const layer = load(new EncoderLayer(config, { rng: null, ...underTest }), {
      ...pair("p.norm1", "layerNormBefore"),
      ...pair("p.attn.qkv", "attention.queryKeyValue"),
      ...pair("p.attn.proj", "attention.output"),
      ...pair("p.norm2", "layerNormAfter"),
      ...pair("p.mlp.fc1", "mlp.expand"),
      ...pair("p.mlp.fc2", "mlp.contract"),
    });
    return layer.forward(tensor("x"), { mask: maskOf(given) });
  },

  pooler: ({ load, shape, tensor, underTest }) =>
    load(new Pooler(shape("x").at(-1)!, { rng: null, ...underTest }), pair("p.dense", "dense")).forward(
      select(tensor("x"), 1, 0),
    ),

  mlmhead({ load, shape, tensor, attributes, underTest }) {
    const [vocabularySize, hiddenSize] = shape("p.decoder.weight") as [number, number];
    const config = { hiddenSize, vocabularySize, textEps: Number(attributes.eps) };
    const head = load(new MaskedLanguageModelingHead(config, { rng: null, ...underTest }), {
      "p.bias": "decoder.bias",
      "p.decoder.weight": "decoder.weight",
      ...pair("p.transform.dense", "dense"),
      ...pair("p.transform.LayerNorm", "layerNorm"),
    });
    return head.forward(tensor("x"));
  },

  embedding({ load, shape, tensor, attributes, underTest }) {
    const [rows, d] = shape("w") as [number, number];
    const padding = attributes.padding_idx;
    const paddingIndex = padding === undefined ? null : Number(padding);
    const embedding = new Embedding(rows, d, { rng: null, paddingIndex, ...underTest });
    return load(embedding, { w: "weight" }).forward(tensor("idx"));
  },

  bertembeddings({ load, shape, tensor, attributes, underTest }) {
    const [vocabularySize, hiddenSize] = shape("p.word_embeddings.weight") as [number, number];
    const config = parseViltConfig({
      hiddenSize,
      numLayers: 1,
      numHeads: 1,
      vocabularySize,
      maxTextLength: shape("p.position_embeddings.weight")[0],
      segmentTypes: shape("p.token_type_embeddings.weight")[0],
      imageSize: [1, 1],
      patchSize: 1,
      textEps: Number(attributes.eps),
    });
    const embedding = load(new TextEmbedding(config, { rng: null, paddingIndex: 0, ...underTest }), {
      "p.word_embeddings.weight": "wordEmbedding.weight",
      "p.position_embeddings.weight": "tokenPositionEmbedding.weight",
      "p.token_type_embeddings.weight": "segmentEmbedding.weight",
      ...pair("p.LayerNorm", "layerNorm"),
    });
    return embedding.forward(tensor("ids"));
  },
};
