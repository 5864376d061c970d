import * as z from "zod/mini";
import { DataError } from "../../../tensor/errors.ts";
import type { Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";
import { verifyPretrainingLosses } from "./pretraining-losses.ts";
import { verifyAnswering, verifyImagePairs, verifyMaskedPatches, verifyRetrieval } from "./task-losses.ts";

const schema = z.looseObject({ passes: z.array(z.string()) });

/** By the passes through the model that a case records. */
const kinds: Readonly<Record<string, (golden: GoldenCase, underTest: UnderTest) => Claims>> = {
  "mlm, itm": verifyPretrainingLosses,
  mpp: verifyMaskedPatches,
  vqa: verifyAnswering,
  "nlvr2_0, nlvr2_1": verifyImagePairs,
  irtr: verifyRetrieval,
};

/** Losses of a task, what they are made of, and the gradient of their sum. */
export function verifyLosses(golden: GoldenCase, underTest: UnderTest): Claims {
  const passes = golden.read(schema).passes.join(", ");
  const kind = Object.hasOwn(kinds, passes) ? kinds[passes] : undefined;
  if (kind) return kind(golden, underTest);
  const known = Object.keys(kinds).join("; ");
  throw new DataError(`unknown kind "vilt_losses" with the passes ${passes}; known are ${known}`);
}
