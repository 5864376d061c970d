import { decodeImage } from "../data/image-file.ts";
import { openPredictor, predict } from "../train/prediction.ts";
import { commonCommand, printResult, useDevice, wholeNumber } from "./options.ts";
import { formatTable } from "./tables.ts";

/** `viltgrad predict`: the answer of a model to a text with its picture, whatever its task is. */
export function predictCommand() {
  return commonCommand("predict", "answer a question, judge a statement, fill a [MASK] or score a caption")
    .argument("<model>", "checkpoint folder of finetune, pull or convert, or a run folder of pretrain")
    .requiredOption("--image <files...>", "PNG, JPEG or WebP file; two for a model of statements about two pictures")
    .requiredOption("--text <text>", "question, statement, caption, or text with [MASK]")
    .option("--top <n>", "answers to print", wholeNumber(1), 5)
    .option("--truncate", "cut a text that is too long instead of refusing it", false)
    .action(async (source, { image, text, top: count, truncate, ...options }) => {
      await useDevice(options);
      const predictor = await openPredictor(source);
      const pictures = await Promise.all(image.map((file) => decodeImage(file)));
      const prediction = await predict(predictor, pictures, text, { count, truncate });
      const tables = prediction.says.map((says) =>
        formatTable([["", prediction.task], ...says.map(({ text, share }) => [text, share.toFixed(3)])]),
      );
      printResult(options.json, prediction, tables.join("\n\n"));
    });
}
