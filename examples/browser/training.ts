import {
  Batches,
  collateImages,
  collateTexts,
  getPreset,
  type HostBatch,
  loadGpu,
  noGrad,
  Pretrainer,
  type Sample,
  type StepMetrics,
  type Tensor,
  Tokenizer,
  trainingSettings,
  uploadBatch,
} from "viltgrad";
import { Shapes } from "./shapes.ts";

/** What a run is started with; it decides every number of the run. */
export interface RunOptions {
  /** wasm, cpu, or gpu and a mode of gpu.js: gpu:webgl2, gpu:webgpu. */
  readonly device: string;
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
}

/** What the model makes of a picture that it never trains on. */
export interface Guess {
  readonly sample: Sample;
  /** Which word of the caption was hidden. */
  readonly hidden: number;
  readonly word: string;
  /** How sure it is of that word. */
  readonly probability: number;
  /** How sure it is that picture and caption belong together. */
  readonly match: number;
}

const SHOWN = 8;

/** Pre-training of the `toy` model on drawn shapes, the same in Node and in a browser. */
export class Training {
  readonly #dataset: Shapes;
  readonly #tokenizer: Tokenizer;
  readonly #batches: Batches;
  readonly #pretrainer: Pretrainer;

  private constructor(
    readonly options: RunOptions,
    /** Its full name. */
    readonly device: string,
  ) {
    const { seed, steps, batchSize } = options;
    const { model: preset, wordPatchAlignment } = getPreset("toy");
    const settings = trainingSettings("toy", { steps, batchSize });
    this.#dataset = new Shapes(seed);
    this.#tokenizer = new Tokenizer(this.#dataset.vocabulary(), "shapes");
    const { maxTextLength, patchSize } = preset;
    const [dataset, tokenizer] = [this.#dataset, this.#tokenizer];
    this.#batches = new Batches({ dataset, tokenizer, settings, maxTextLength, patchSize, truncate: false, seed });
    const model = { ...preset, vocabularySize: tokenizer.vocabulary.length };
    this.#pretrainer = new Pretrainer({ model, wordPatchAlignment, settings, seed, placement: { device } });
  }

  /** @throws {DeviceError} when the device does not work here */
  static async start(options: RunOptions): Promise<Training> {
    const [name, mode] = options.device.split(":");
    return new Training(options, name === "gpu" ? await loadGpu(mode) : options.device);
  }

  get isDone(): boolean {
    return this.stepCount >= this.options.steps;
  }

  /** Steps taken. */
  get stepCount(): number {
    return this.#pretrainer.step;
  }

  async step(): Promise<StepMetrics> {
    return this.#pretrainer.train(await this.#batches.at(this.stepCount));
  }

  /** The same pictures at every call, each with one word hidden. */
  async guesses(): Promise<Guess[]> {
    const samples = Array.from({ length: SHOWN }, (_, i) => this.#dataset.sample("validation", i));
    const batch = this.#hideOneWord(samples);
    const { model, options } = this.#pretrainer;
    const [words, pairs] = noGrad(() => {
      const losses = model.losses(uploadBatch(batch, options.placement), { wordPatchAlignment: [] });
      return [losses.maskedLanguageModeling.logits!, losses.imageTextMatching.logits];
    });
    const [wordRows, pairRows] = [await rowsOf(words), await rowsOf(pairs)];
    return samples.map((sample, i) => {
      const id = wordRows[i]!.indexOf(Math.max(...wordRows[i]!));
      const word = this.#tokenizer.vocabulary[id]!;
      return { sample, hidden: hiddenWord(i), word, probability: wordRows[i]![id]!, match: pairRows[i]![1]! };
    });
  }

  #hideOneWord(samples: readonly Sample[]): HostBatch {
    const { padId, maskId } = this.#tokenizer;
    const texts = collateTexts(
      samples.map(({ caption }) => this.#tokenizer.encode(caption).ids),
      padId,
    );
    const maskedIds = texts.ids.slice();
    const maskedLabels = new Int32Array(texts.ids.length).fill(NOT_ASKED);
    for (const i of samples.keys()) {
      const at = i * texts.length + 1 + hiddenWord(i); // each word is one token, after [CLS]
      maskedLabels[at] = maskedIds[at]!;
      maskedIds[at] = maskId;
    }
    const images = collateImages(samples);
    const matchingLabels = new Int32Array(samples.length).fill(1);
    return { texts, maskedIds, maskedLabels, images, matchingImages: images, matchingLabels };
  }
}

/** Label of a token that is not to be predicted. */
const NOT_ASKED = -100;

/** In turn the first shape of a caption and its colour: "a red ring …". */
const hiddenWord = (sample: number) => (sample % 2 === 0 ? 2 : 1);

/** The probabilities of each row of logits [n, classes]. */
async function rowsOf(logits: Tensor): Promise<number[][]> {
  const classes = logits.shape[1]!;
  const values = await logits.data();
  return Array.from({ length: logits.shape[0]! }, (_, row) => {
    const exponentials = Array.from(values.subarray(row * classes, (row + 1) * classes), (x) => Math.exp(x));
    const total = exponentials.reduce((sum, x) => sum + x, 0);
    return exponentials.map((x) => x / total);
  });
}
