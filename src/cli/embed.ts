import { ConfigError } from "../tensor/errors.ts";
import { modelOf, readCheckpoint } from "../train/checkpoint.ts";
import { embedPair } from "../train/embedding.ts";
import { readPair } from "../train/pair.ts";
import { commonCommand, printResult, useDevice } from "./options.ts";
import { formatTable } from "./tables.ts";

/** `viltgrad embed`: vectors and matching scores of images with captions. */
export function embedCommand() {
  return commonCommand("embed", "vectors and matching scores of images with captions")
    .argument("<checkpoint>", "run folder or checkpoint file")
    .requiredOption("--image <files...>", "PNG, JPEG or WebP files")
    .requiredOption("--caption <texts...>", "a caption for each image, or one for all; or several for one image")
    .option("--truncate", "cut captions that are too long instead of refusing them", false)
    .action(async (checkpoint, options) => {
      await useDevice(options);
      const { model, tokenizer } = modelOf(readCheckpoint(checkpoint));
      const { config } = model;
      const pairs = [];
      for (const { image, caption } of pairUp(options.image, options.caption)) {
        const row = await readPair(image, caption, { config, tokenizer, truncate: options.truncate });
        pairs.push({ image, caption, ...(await embedPair(row, model, tokenizer.padId)) });
      }
      const rows = pairs.map(({ image, caption, matching, pooled }) => [
        `${image}: ${caption}`,
        matching.toFixed(3),
        pooled
          .slice(0, 4)
          .map((value) => value.toFixed(3))
          .join(" "),
      ]);
      const head = ["pair", "matching", `pooled [${config.hiddenSize}], its beginning`];
      printResult(options.json, { pairs }, `${formatTable([head, ...rows])}\n--json prints whole vectors.`);
    });
}

function pairUp(images: readonly string[], captions: readonly string[]): { image: string; caption: string }[] {
  const count = Math.max(images.length, captions.length);
  if (![1, count].includes(images.length) || ![1, count].includes(captions.length))
    throw new ConfigError(`embed: ${images.length} images and ${captions.length} captions do not pair up`);
  return Array.from({ length: count }, (_, i) => ({
    ...{ image: images[i % images.length]!, caption: captions[i % captions.length]! },
  }));
}
