import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ImageProcessor } from "../data/image-processor.ts";
import { parseJson } from "../data/json.ts";
import { type SafetensorsSource, safetensorsParts } from "../data/safetensors.ts";
import { SafetensorsFile } from "../data/safetensors-file.ts";
import { Tokenizer } from "../data/tokenizer.ts";
import { readVocabularyFile } from "../data/vocabulary-file.ts";
import type { Placement } from "../tensor/create.ts";
import type { TypedArray } from "../tensor/dtype.ts";
import { DataError } from "../tensor/errors.ts";
import {
  buildHuggingfaceModel,
  huggingfaceConfigOf,
  parseHuggingfaceConfig,
  taskOf,
  type ViltTask,
  type ViltTaskModel,
} from "../vilt/huggingface.ts";
import { huggingfaceLayout } from "../vilt/weights/huggingface.ts";
import { loadPublishedWeights, publishedWeights } from "../vilt/weights/weights.ts";
import { writeFileAtomic } from "./files.ts";

/** What a checkpoint folder of Hugging Face Transformers holds. */
export interface ModelFolder {
  readonly task: ViltTask;
  readonly model: ViltTaskModel;
  /** Of a classifier's classes; empty without one. */
  readonly labels: readonly string[];
  readonly imageProcessor: ImageProcessor;
  /** Null where the folder has no vocabulary. */
  readonly tokenizer: Tokenizer | null;
}

const WEIGHTS = "model.safetensors";

/** Whether a folder looks like a checkpoint of Hugging Face Transformers, and not like a run of pre-training. */
export function isModelFolder(folder: string): boolean {
  const config = path.join(folder, "config.json");
  if (!existsSync(config) || !existsSync(path.join(folder, WEIGHTS))) return false;
  return readFileSync(config, "utf8").includes('"model_type"');
}

/**
 * Opens a checkpoint folder as `save_pretrained` writes it.
 *
 * @throws {DataError} naming the file and what is wrong with it; all missing and unexpected tensors are listed
 */
export async function openModelFolder(folder: string, placement: Placement = {}): Promise<ModelFolder> {
  const config = parseHuggingfaceConfig(readJson(path.join(folder, "config.json")), path.join(folder, "config.json"));
  const file = new SafetensorsFile(path.join(folder, WEIGHTS));
  try {
    const model = buildHuggingfaceModel(config, file.tensors, { rng: null, ...placement });
    loadPublishedWeights(model, file.tensors, file.path, huggingfaceLayout);
    const [imageProcessor, tokenizer] = [processorOf(folder, model), await tokenizerOf(folder)];
    return { task: taskOf(model), model, labels: config.labels, imageProcessor, tokenizer };
  } finally {
    file.close();
  }
}

function readJson(file: string): unknown {
  if (!existsSync(file)) throw new DataError(`${file}: no such file; a checkpoint folder has one`);
  return parseJson(readFileSync(file, "utf8"), file);
}

function processorOf(folder: string, { config }: ViltTaskModel): ImageProcessor {
  const file = path.join(folder, "preprocessor_config.json");
  return existsSync(file) ? ImageProcessor.fromJSON(readJson(file), file) : ImageProcessor.forModel(config);
}

/** From `vocab.txt`, or else from `tokenizer.json`. */
async function tokenizerOf(folder: string): Promise<Tokenizer | null> {
  const vocabulary = path.join(folder, "vocab.txt");
  if (existsSync(vocabulary)) return readVocabularyFile(vocabulary);
  const file = path.join(folder, "tokenizer.json");
  if (!existsSync(file)) return null;
  const { model } = readJson(file) as { model?: { vocab?: unknown } };
  const vocab = model?.vocab;
  if (typeof vocab !== "object" || vocab === null || !Object.values(vocab).every(Number.isInteger))
    throw new DataError(`${file}: expected a WordPiece model with a "vocab" of token numbers`);
  const tokens = Object.entries(vocab as Record<string, number>).sort(([, a], [, b]) => a - b);
  return new Tokenizer(
    tokens.map(([token]) => token),
    file,
  );
}

/** What goes into a folder beside the model. */
export interface FolderExtras {
  readonly labels?: readonly string[];
  readonly vocabulary?: readonly string[];
  readonly imageProcessor?: ImageProcessor;
}

/** Writes a folder that Hugging Face Transformers loads: configuration, weights, image processor and vocabulary. */
export function writeModelFolder(folder: string, model: ViltTaskModel, extras: FolderExtras = {}): void {
  const { labels, vocabulary, imageProcessor = ImageProcessor.forModel(model.config) } = extras;
  const write = (name: string, content: object) =>
    writeFileAtomic(path.join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  const weights = new Map(
    [...publishedWeights(model, huggingfaceLayout)].map(([name, weight]) => [name, asFloat32(weight)]),
  );
  writeFileAtomic(path.join(folder, WEIGHTS), safetensorsParts(weights, { format: "pt" }));
  write("config.json", huggingfaceConfigOf(model, labels));
  write("preprocessor_config.json", imageProcessor.toJSON());
  if (!vocabulary) return;
  writeFileAtomic(path.join(folder, "vocab.txt"), `${vocabulary.join("\n")}\n`);
  write("tokenizer_config.json", { tokenizer_class: "BertTokenizer", do_lower_case: true });
}

/** Float64 weights are rounded, as the library's files hold float32. */
function asFloat32(weight: { readonly shape: readonly number[]; readonly data: TypedArray }): SafetensorsSource {
  return {
    ...{ dtype: "F32", shape: weight.shape },
    get data() {
      const { data } = weight;
      return data instanceof Float32Array ? data : Float32Array.from(data);
    },
  };
}
