import { ConfigError } from "../../tensor/errors.ts";
import { Rng } from "../../tensor/rng.ts";
import {
  type CaptionedImages,
  checkIndex,
  checkSplit,
  type Sample,
  type SampleOptions,
  type TextNeeds,
  type Thing,
} from "../dataset.ts";
import { denormalizeImage, normalizeImage } from "../image.ts";
import { vocabularyOf } from "../vocabulary.ts";
import { describe, type Relation } from "./caption.ts";
import { captionWords, KINDS, type Level, type Style, TRAIN_STYLES, UNSEEN_STYLES } from "./nouns.ts";
import {
  type Canvas,
  type Choice,
  drawPlan,
  exchangePlaces,
  exchangeThing,
  type PlanOptions,
  type ScenePlan,
  thingDistribution,
} from "./plan.ts";
import { render } from "./render.ts";
import { hasDrawing, sprite } from "./sprites.ts";

export const EMOJI_SPLITS = ["train", "validation", "unseen-style", "unseen-pairs"] as const;
export type EmojiSplit = (typeof EMOJI_SPLITS)[number];

/** What a hard negative has changed. */
export type Change = "thing" | "relation";

/** A drawn scene: the true box of everything that the caption names is known. */
export interface Scene extends Sample {
  readonly things: readonly Thing[];
  readonly style: Style;
  /** Of the first thing to the second, where the caption states one. */
  readonly relation?: Relation;
}

export interface EmojiScenesOptions {
  readonly seed?: number | string;
  readonly level?: Level;
  readonly height?: number;
  readonly width?: number;
}

/**
 * Scenes of one to three emoji on a plain background, drawn on demand: scene i of a split depends on the seed, the
 * split, i and the progress of training alone. Sprites are rendered once, on first use.
 *
 * - `train`: four styles, no held-out pairing, augmented; the number of things follows `thingDistribution(progress)`.
 * - `validation`: the same styles; every scene of two or three things shows a held-out pairing.
 * - `unseen-style`: as validation, in a style that training never shows.
 * - `unseen-pairs`: as validation, always two or three things, so that every scene shows a held-out pairing.
 */
export class EmojiScenes implements CaptionedImages {
  readonly name = "emoji-scenes";
  readonly splits = EMOJI_SPLITS;
  readonly changes: readonly Change[];
  /** With relations the longest caption is like "a blue book to the left of a green book , and a red heart". */
  readonly needs: TextNeeds;
  readonly level: Level;
  readonly canvas: Canvas;
  readonly #rng: Rng;
  readonly #choices = new Map<Style, Choice>();

  constructor({ seed = 0, level = "basic", height = 48, width = 48 }: EmojiScenesOptions = {}) {
    if (![height, width].every((side) => Number.isInteger(side) && side >= 16))
      throw new ConfigError(`emoji-scenes: a picture has 16 pixels or more a side, not ${height}×${width}`);
    this.level = level;
    this.needs = { words: captionWords(level), length: level === "hard" ? 17 : 13 };
    this.changes = level === "hard" ? ["thing", "relation"] : ["thing"];
    this.canvas = { height, width };
    this.#rng = new Rng(seed).split(`emoji-scenes/${level}`);
  }

  size(split: string): number {
    checkSplit(this, split);
    return Infinity;
  }

  sample(split: string, index: number, { progress = 1, augment }: SampleOptions = {}): Scene {
    checkIndex(this, split, index);
    return this.#scene(this.#plan(split as EmojiSplit, index, progress), `${split} scene ${index}`, augment);
  }

  /**
   * `thing`: one thing is exchanged; the others stay in place in half of the cases. `relation`: the two related things
   * stand in each other's place; null when the caption states no relation. The new caption is true of the new scene and
   * false of the original, as the original's is of the new one: either pairing is a hard negative.
   */
  hardNegative(
    change: Change,
    split: string,
    index: number,
    { progress = 1, augment }: SampleOptions = {},
  ): Scene | null {
    checkIndex(this, split, index);
    const plan = this.#plan(split as EmojiSplit, index, progress);
    const record = `${split} scene ${index}, ${change} swapped`;
    if (change === "relation")
      return describe(plan, this.level).relation ? this.#scene(exchangePlaces(plan), record, augment) : null;
    const rng = this.#rng.split(`${split}/${index}/exchange`);
    return this.#scene(exchangeThing(rng, plan, this.#options(split as EmojiSplit, progress)), record, augment);
  }

  /** 53 tokens at the basic level. @throws {ConfigError} when `maxSize` is less than the captions need */
  vocabulary(maxSize: number): string[] {
    const vocabulary = vocabularyOf(this.needs.words);
    if (vocabulary.length > maxSize)
      throw new ConfigError(`emoji-scenes: captions need ${vocabulary.length} tokens, the vocabulary has ${maxSize}`);
    return vocabulary;
  }

  /** Renders every sprite of a split now rather than on first use, so that no later step has to wait for it. */
  prepare(split: string): void {
    checkSplit(this, split);
    const scale = Math.min(this.canvas.height, this.canvas.width) / 48;
    for (const style of stylesOf(split as EmojiSplit))
      for (const { kind } of this.#kindsOf(style))
        for (let size = 18; size <= 32; size += 2) sprite(style, kind, Math.round(scale * size));
  }

  #kindsOf(style: Style): Choice {
    let choice = this.#choices.get(style);
    if (!choice) {
      choice = KINDS[this.level].map((kind, index) => ({ kind, index })).filter(({ kind }) => hasDrawing(style, kind));
      this.#choices.set(style, choice);
    }
    return choice;
  }

  #options(split: EmojiSplit, progress: number): PlanOptions {
    const training = split === "train";
    return {
      canvas: this.canvas,
      styles: stylesOf(split),
      kindsOf: (style) => this.#kindsOf(style),
      thingCounts: split === "unseen-pairs" ? [0, 1 / 2, 1 / 2] : thingDistribution(training ? progress : 1),
      heldOut: training ? "never" : "always",
      augment: training,
    };
  }

  #plan(split: EmojiSplit, index: number, progress: number): ScenePlan {
    return drawPlan(this.#rng.split(`${split}/${index}`), this.#options(split, progress));
  }

  #scene(plan: ScenePlan, record: string, augment: SampleOptions["augment"]): Scene {
    const { height, width } = this.canvas;
    const image = render(plan, this.canvas);
    return {
      image: augment ? normalizeImage(augment(denormalizeImage({ image, height, width }))).image : image,
      height,
      width,
      ...describe(plan, this.level),
      style: plan.style,
      picture: record,
      record: `emoji-scenes ${record}`,
    };
  }
}

function stylesOf(split: EmojiSplit): readonly Style[] {
  return split === "unseen-style" ? UNSEEN_STYLES : TRAIN_STYLES;
}
