import { existsSync } from "node:fs";
import { Option } from "@commander-js/extra-typings";
import { ConfigError } from "../tensor/errors.ts";
import { modelOf, readCheckpoint } from "../train/checkpoint.ts";
import { writeModelFolder } from "../train/model-folder.ts";
import { taskOf, type ViltTaskModel } from "../vilt/huggingface.ts";
import { ViltForMaskedLanguageModeling } from "../vilt/masked-language-modeling.ts";
import type { ViltForPretraining } from "../vilt/pretraining.ts";
import { ViltForRetrieval } from "../vilt/retrieval.ts";
import { commonCommand, printResult, useDevice } from "./options.ts";

/** The models that the library has a class for, made of the parts of a pre-trained one. */
const parts = {
  "masked-words": (model: ViltForPretraining): ViltTaskModel =>
    new ViltForMaskedLanguageModeling(model.backbone, { rng: null }, model.maskedLanguageModelingHead),
  retrieval: ({ backbone, imageTextMatchingHead }: ViltForPretraining): ViltTaskModel =>
    new ViltForRetrieval(backbone, { rng: null }, imageTextMatchingHead),
  base: ({ backbone }: ViltForPretraining): ViltTaskModel => backbone,
};
type Part = keyof typeof parts;

/** `viltgrad convert`: a checkpoint as a folder that Hugging Face Transformers loads. */
export function convertCommand() {
  return commonCommand("convert", "write a checkpoint as a folder that Hugging Face Transformers loads")
    .argument("<checkpoint>", "run folder or checkpoint file")
    .argument("<folder>", "new folder for config.json, model.safetensors, vocab.txt and preprocessor_config.json")
    .addOption(
      new Option("--task <name>", "which head goes with the backbone; the library has a class for one at a time")
        .choices(Object.keys(parts) as Part[])
        .default("masked-words" as Part),
    )
    .action(async (file, folder, options) => {
      if (existsSync(folder)) throw new ConfigError(`convert: ${folder} exists already; name a new folder`);
      await useDevice(options);
      const checkpoint = readCheckpoint(file);
      const { model: pretrained } = modelOf(checkpoint);
      const model = parts[options.task as Part](pretrained);
      writeModelFolder(folder, model, { vocabulary: checkpoint.state.vocabulary });
      const { encoderEps, textEps } = model.config;
      const result = { folder, task: taskOf(model), parameters: model.countParameters() };
      const remark =
        encoderEps === textEps
          ? ""
          : `\nThe library has one LayerNorm ε: ${encoderEps} is written, where the text embedding was trained with ${textEps}.`;
      const text = `${folder}: ${model.countParameters().toLocaleString("en")} parameters, for ${result.task}${remark}`;
      printResult(options.json, result, text);
    });
}
