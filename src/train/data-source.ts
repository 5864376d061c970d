import type { CaptionedImages } from "../data/dataset.ts";
import { EmojiScenes } from "../data/emoji-scenes/emoji-scenes.ts";
import type { Level } from "../data/emoji-scenes/nouns.ts";
import { FolderImages } from "../data/folder/captions.ts";
import type { FolderOptions } from "../data/folder/pictures.ts";
import type { ViltConfig } from "../vilt/config.ts";

/** Data sets that are drawn on demand, by the name that the command line takes; any other name is a path. */
const generated = { "emoji-scenes": "basic", "emoji-scenes-hard": "hard" } as const;

/** The level of emoji scenes that a name means; undefined for a path. */
export function emojiLevel(name: string): Level | undefined {
  return Object.hasOwn(generated, name) ? generated[name as keyof typeof generated] : undefined;
}

/** The generated data set of that name, with pictures of the size that the model is made for; undefined for a path. */
export function drawnScenes(name: string, { imageSize }: ViltConfig, seed: number | string): EmojiScenes | undefined {
  const [height, width] = imageSize;
  const level = emojiLevel(name);
  return level && new EmojiScenes({ seed, level, height, width });
}

/** How the pictures of a folder take the size that the model is made for. */
export function folderOptions({ imageSize, patchSize }: ViltConfig): FolderOptions {
  return { shorter: Math.min(...imageSize), divisor: patchSize };
}

/** Opens pictures with captions. @throws {DataError} for a folder that cannot be used */
export async function openDataset(name: string, config: ViltConfig, seed: number | string): Promise<CaptionedImages> {
  return drawnScenes(name, config, seed) ?? FolderImages.open(name, folderOptions(config));
}

/** The splits that a run is judged on: what it never saw, first. */
export function judgedSplits(dataset: Pick<CaptionedImages, "splits" | "size">): string[] {
  const wanted = ["validation", "unseen-style", "unseen-pairs", "test"];
  const present = wanted.filter((split) => dataset.splits.includes(split) && dataset.size(split) > 0);
  return present.length ? present : ["train"];
}
