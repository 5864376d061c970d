import type { CaptionedImages } from "../data/dataset.ts";
import { EmojiScenes } from "../data/emoji-scenes/emoji-scenes.ts";
import type { Level } from "../data/emoji-scenes/nouns.ts";
import { FolderImages } from "../data/folder.ts";
import type { ViltConfig } from "../vilt/config.ts";

/** Data sets that are drawn on demand, by the name that the command line takes; any other name is a path. */
const generated = { "emoji-scenes": "basic", "emoji-scenes-hard": "hard" } as const;

/** The level of emoji scenes that a name means; undefined for a path. */
export function emojiLevel(name: string): Level | undefined {
  return Object.hasOwn(generated, name) ? generated[name as keyof typeof generated] : undefined;
}

/** Opens a data set with pictures of the size that the model is made for. @throws {DataError} for a folder that cannot be used */
export async function openDataset(
  name: string,
  { imageSize, patchSize }: ViltConfig,
  seed: number | string,
): Promise<CaptionedImages> {
  const [height, width] = imageSize;
  const level = emojiLevel(name);
  if (level) return new EmojiScenes({ seed, level, height, width });
  return FolderImages.open(name, { shorter: Math.min(height, width), divisor: patchSize });
}

/** The splits that a run is judged on: what it never saw, first. */
export function judgedSplits(dataset: Pick<CaptionedImages, "splits" | "size">): string[] {
  const wanted = ["validation", "unseen-style", "unseen-pairs", "test"];
  const present = wanted.filter((split) => dataset.splits.includes(split) && dataset.size(split) > 0);
  return present.length ? present : ["train"];
}
