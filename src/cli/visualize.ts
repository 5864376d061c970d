import path from "node:path";
import { Option } from "@commander-js/extra-typings";
import { splitWords } from "../data/tokenizer.ts";
import { ConfigError } from "../tensor/errors.ts";
import { alignmentPicture, pictureAddress } from "../train/alignment-picture.ts";
import type { EncodedSample } from "../train/evaluation/context.ts";
import { writeFileAtomic } from "../train/files.ts";
import { readPair } from "../train/pair.ts";
import { openPredictor } from "../train/prediction.ts";
import { htmlPage } from "../train/report/page.ts";
import { wordPatchMaps } from "../train/word-patch-maps.ts";
import { Vilt } from "../vilt/model.ts";
import { patchGrid } from "../vilt/patch-mask.ts";
import type { AlignmentSettings } from "../vilt/pretraining.ts";
import { alignmentPage } from "../viz/alignment-page.ts";
import { svgToPng } from "../viz/png.ts";
import { commonCommand, positiveNumber, printResult, useDevice, wholeNumber } from "./options.ts";
import { formatTable } from "./tables.ts";

const ENDINGS = [".svg", ".png", ".html"];

/** `viltgrad visualize`: which patches of an image the words of a caption lie on. */
export function visualizeCommand() {
  return commonCommand("visualize", "draw which patches of an image the words of a caption lie on")
    .argument("<checkpoint>", "run folder or checkpoint file, or a checkpoint folder of Hugging Face Transformers")
    .requiredOption("--image <file>", "PNG, JPEG or WebP file")
    .requiredOption("--caption <text>", "what to align with it")
    .option("--word <words...>", "words of the caption to draw (default: the three longest)")
    .option("--output <file>", `what to write: ${ENDINGS.join(", ")}; HTML has a page to click on`, "alignment.png")
    .addOption(new Option("--layer <name>", "where to align").choices(["final", "embedding"]).default("final"))
    .option("--beta <x>", "step size of IPOT; smaller sharpens slower", positiveNumber, 0.5)
    .option("--iterations <n>", "iterations of IPOT", wholeNumber(1), 50)
    .option("--log-domain", "iterate on logarithms: right for a β so small that its exponentials vanish", false)
    .option("--truncate", "cut a caption that is too long instead of refusing it", false)
    .action(async (checkpoint, options) => {
      const { image, caption, word, output, layer, beta, iterations, logDomain, truncate } = options;
      const ending = path.extname(output).toLowerCase();
      if (!ENDINGS.includes(ending))
        throw new ConfigError(`visualize: ${output} ends in none of ${ENDINGS.join(", ")}`);
      await useDevice(options);
      const { model: whole, tokenizer } = await openPredictor(checkpoint);
      const model = whole instanceof Vilt ? whole : whole.backbone;
      const row = await readPair(image, caption, { config: model.config, tokenizer, truncate });
      const spans = word?.map((each) => spanOf(each, caption, row.encoding.words));
      const domain = logDomain ? ("log" as const) : ("plain" as const);
      const settings: AlignmentSettings = { layer: layer as "final" | "embedding", beta, iterations, domain };
      const { svg, words } = await alignmentPicture(row, model, tokenizer.padId, settings, spans);
      if (ending === ".html") writeFileAtomic(output, await page(row, model, tokenizer.padId, settings, svg));
      else writeFileAtomic(output, ending === ".png" ? svgToPng(svg) : svg);
      const rows = words.map(({ word, patch, mass }) => [word, patch.join(", "), Math.max(...mass).toFixed(3)]);
      const table = formatTable([["word", "row, column of its patch", "share of its mass there"], ...rows]);
      printResult(options.json, { output, words }, `${table}\nLook at ${output}`);
    });
}

/** The figure, and below it the picture with every word and patch to click on. */
async function page(
  row: EncodedSample,
  model: Vilt,
  padId: number,
  settings: AlignmentSettings,
  svg: string,
): Promise<string> {
  const { sample, encoding } = row;
  const { width, height, caption } = sample;
  const { patchSize } = model.config;
  const spans = splitWords(caption).flatMap((_, at) => (encoding.words.includes(at) ? [[at, at + 1] as const] : []));
  const body = alignmentPage({
    ...{ picture: await pictureAddress(sample), width, height, patchSize },
    grid: patchGrid({ height, width, patchSize }),
    words: spans.map(([at]) => splitWords(caption)[at]!),
    maps: await wordPatchMaps(row, model, padId, settings, spans),
  });
  return htmlPage("Word–patch alignment", `${svg}\n${body}`);
}

function spanOf(word: string, caption: string, wordOfToken: readonly number[]): readonly [number, number] {
  const words = splitWords(caption);
  const at = words.indexOf(word);
  if (at < 0) throw new ConfigError(`visualize: "${word}" is none of the words of the caption: ${words.join(", ")}`);
  if (!wordOfToken.includes(at)) throw new ConfigError(`visualize: "${word}" was cut off with the end of the caption`);
  return [at, at + 1];
}
