import { denormalizeImage, type PlanarImage } from "../data/image.ts";
import { encodePng } from "../data/image-file.ts";
import { splitWords } from "../data/tokenizer.ts";
import { DataError } from "../tensor/errors.ts";
import { transportHeatMap } from "../vilt/heat-map.ts";
import type { Vilt } from "../vilt/model.ts";
import { patchGrid } from "../vilt/patch-mask.ts";
import type { AlignmentSettings } from "../vilt/pretraining.ts";
import { type AlignedWord, alignmentFigure } from "../viz/alignment.ts";
import type { EncodedSample } from "./evaluation/context.ts";
import { thingsInText, tokensOfWords } from "./evaluation/masked-words.ts";
import { massOf, plansOf } from "./evaluation/pointing.ts";
import { argmaxOf, patchCentreIn } from "./metrics.ts";

/** A figure with what it shows in numbers. */
export interface AlignmentPicture {
  readonly svg: string;
  readonly words: readonly {
    readonly word: string;
    /** Share of the word's mass on each patch, row by row. */
    readonly mass: readonly number[];
    /** Row and column of the patch with the largest mass. */
    readonly patch: readonly [number, number];
    /** Whether that patch's centre is in the true box; absent where the box is not known. */
    readonly hit?: boolean;
  }[];
}

/** Words of a caption without known things that a figure shows by itself: the longest ones, in their order. */
const MOST_WORDS = 3;

/**
 * The picture of a pair as Figure 4 of the paper draws it, for the things of the caption or, where they are not known,
 * for its longest words.
 *
 * @param spans words to show instead, [start, end) among the words of the caption
 */
export async function alignmentPicture(
  row: EncodedSample,
  model: Vilt,
  padId: number,
  settings: AlignmentSettings,
  spans: readonly (readonly [number, number])[] = spansOf(row),
): Promise<AlignmentPicture> {
  const { sample } = row;
  const { patchSize } = model.config;
  const caption = splitWords(sample.caption);
  const { width, height } = sample;
  const grid = patchGrid({ height, width, patchSize });
  const [plan] = await plansOf([row], model, padId, settings);
  const words = spans.map((span) => {
    const mass = massOf(plan!, tokensOfWords(row, span));
    const word = caption.slice(...span).join(" ");
    const total = mass.reduce((sum, value) => sum + value, 0);
    if (!(total > 0 && total < Infinity))
      throw new DataError(
        `alignment: "${word}" has a mass of ${total} on the patches, with β ${settings.beta}; a larger one, or the log domain, may help`,
      );
    const patch = argmaxOf(mass);
    const box = sample.things?.find((thing) => thing.words[0] === span[0] && thing.words[1] === span[1])?.box;
    const hit = box && patchCentreIn(box, patch, grid[1], patchSize);
    const aligned: AlignedWord = {
      words: span,
      visibility: transportHeatMap(mass, grid),
      ...(box && { box, note: hit ? "hit" : "miss" }),
    };
    return {
      aligned,
      word,
      mass: [...mass].map((value) => value / total),
      patch: [Math.floor(patch / grid[1]), patch % grid[1]] as const,
      ...(hit !== undefined && { hit }),
    };
  });
  const picture = await pictureAddress(sample);
  const figure = { picture, width, height, grid, patchSize, caption, aligned: words.map(({ aligned }) => aligned) };
  return { svg: alignmentFigure(figure), words: words.map(({ aligned, ...rest }) => rest) };
}

/** A picture as a `data:` address. */
export async function pictureAddress(picture: PlanarImage): Promise<string> {
  const bytes = await encodePng(denormalizeImage(picture));
  return `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
}

/** The words that a figure shows when none are named. Words that were cut off with the caption's end have no tokens. */
function spansOf(row: EncodedSample): (readonly [number, number])[] {
  const { sample, encoding } = row;
  if (sample.things) return thingsInText(row).map(({ words }) => words);
  const words = splitWords(sample.caption).map((word, at) => ({ at, length: word.length }));
  const present = words.filter(({ at }) => encoding.words.includes(at));
  const longest = present.sort((a, b) => b.length - a.length || a.at - b.at).slice(0, MOST_WORDS);
  return longest.sort((a, b) => a.at - b.at).map(({ at }) => [at, at + 1]);
}
