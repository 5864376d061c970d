import type { Placement } from "../tensor/create.ts";
import { DataError } from "../tensor/errors.ts";
import type { ViltConfig } from "../vilt/config.ts";
import { Vilt } from "../vilt/model.ts";
import type { ViltForPretraining } from "../vilt/pretraining.ts";
import { openModelFolder } from "./model-folder.ts";

/** A trained model to start from, instead of random weights. */
export interface Foundation {
  readonly config: ViltConfig;
  readonly vocabulary: readonly string[];
  /** Copies the backbone and, where it has one, the head of masked words; all else stays as it was drawn. */
  readonly adopt: (model: ViltForPretraining) => void;
}

/** Opens a checkpoint folder of Hugging Face Transformers to start from. @throws {DataError} when it has no vocabulary */
export async function readFoundation(folder: string, placement?: Placement): Promise<Foundation> {
  const { model, tokenizer } = await openModelFolder(folder, placement);
  if (!tokenizer) throw new DataError(`${folder}: there is no vocab.txt or tokenizer.json, so its words are not known`);
  if (tokenizer.vocabulary.length !== model.config.vocabularySize)
    throw new DataError(
      `${folder}: the vocabulary has ${tokenizer.vocabulary.length} tokens, the model ${model.config.vocabularySize}`,
    );
  const prefix = model instanceof Vilt ? "backbone." : "";
  return {
    config: model.config,
    vocabulary: tokenizer.vocabulary,
    adopt(target) {
      const named = target.namedParameters();
      for (const [name, { value }] of model.namedParameters()) {
        const parameter = named.get(prefix + name);
        if (parameter) parameter.value = value;
      }
    },
  };
}
