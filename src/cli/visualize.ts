import path from "node:path";
import { Option } from "@commander-js/extra-typings";
import { splitWords } from "../data/tokenizer.ts";
import { ConfigError } from "../tensor/errors.ts";
import { alignmentPicture } from "../train/alignment-picture.ts";
import { modelOf, readCheckpoint } from "../train/checkpoint.ts";
import { writeFileAtomic } from "../train/files.ts";
import { readPair } from "../train/pair.ts";
import { htmlPage } from "../train/report/page.ts";
import { svgToPng } from "../viz/png.ts";
import { escapeXml } from "../viz/xml.ts";
import { commonCommand, positiveNumber, printResult, useDevice, wholeNumber } from "./options.ts";
import { formatTable } from "./tables.ts";

const writers: Readonly<Record<string, (svg: string, caption: string) => Uint8Array | string>> = {
  ".svg": (svg) => svg,
  ".png": (svg) => svgToPng(svg),
  ".html": (svg, caption) => htmlPage("Word–patch alignment", `<p>${escapeXml(caption)}</p>\n${svg}`),
};

/** `viltgrad visualize`: which patches of an image the words of a caption lie on. */
export function visualizeCommand() {
  return commonCommand("visualize", "draw which patches of an image the words of a caption lie on")
    .argument("<checkpoint>", "run folder or checkpoint file")
    .requiredOption("--image <file>", "PNG, JPEG or WebP file")
    .requiredOption("--caption <text>", "what to align with it")
    .option("--word <words...>", "words of the caption to draw (default: the three longest)")
    .option("--output <file>", `what to write: ${Object.keys(writers).join(", ")}`, "alignment.png")
    .addOption(new Option("--layer <name>", "where to align").choices(["final", "embedding"]).default("final"))
    .option("--beta <x>", "step size of IPOT; smaller sharpens slower", positiveNumber, 0.5)
    .option("--iterations <n>", "iterations of IPOT", wholeNumber(1), 50)
    .option("--truncate", "cut a caption that is too long instead of refusing it", false)
    .action(async (checkpoint, options) => {
      const { image, caption, word, output, layer, beta, iterations, truncate } = options;
      const write = writers[path.extname(output).toLowerCase()];
      if (!write) throw new ConfigError(`visualize: ${output} ends in none of ${Object.keys(writers).join(", ")}`);
      useDevice(options);
      const { model, tokenizer } = modelOf(readCheckpoint(checkpoint));
      const row = await readPair(image, caption, { config: model.config, tokenizer, truncate });
      const spans = word?.map((each) => spanOf(each, caption, row.encoding.words));
      const settings = { layer: layer as "final" | "embedding", beta, iterations };
      const { svg, words } = await alignmentPicture(row, model, tokenizer.padId, settings, spans);
      writeFileAtomic(output, write(svg, caption));
      const rows = words.map(({ word, patch, mass }) => [word, patch.join(", "), Math.max(...mass).toFixed(3)]);
      const table = formatTable([["word", "row, column of its patch", "share of its mass there"], ...rows]);
      printResult(options.json, { output, words }, `${table}\nLook at ${output}`);
    });
}

function spanOf(word: string, caption: string, wordOfToken: readonly number[]): readonly [number, number] {
  const words = splitWords(caption);
  const at = words.indexOf(word);
  if (at < 0) throw new ConfigError(`visualize: "${word}" is none of the words of the caption: ${words.join(", ")}`);
  if (!wordOfToken.includes(at)) throw new ConfigError(`visualize: "${word}" was cut off with the end of the caption`);
  return [at, at + 1];
}
