import { withRecording } from "../../autograd/graph.ts";
import { DataError } from "../../tensor/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Claims, type Comparison, compare } from "./comparison.ts";
import { GoldenCase, type ReadCase, readCases, type UnderTest } from "./golden-case.ts";
import { verifyForward } from "./kinds/forward.ts";
import { verifyResize } from "./kinds/image.ts";
import { verifyLayers } from "./kinds/layers.ts";
import { verifyLosses } from "./kinds/losses.ts";
import { verifyAnswers, verifyMetrics } from "./kinds/metrics.ts";
import { verifyImageProcessor, verifyModelFolder } from "./kinds/model-folder.ts";
import { verifyOptimizers, verifySchedules } from "./kinds/optimizers.ts";
import { verifyParameterGroups, verifyParameterShapes } from "./kinds/parameters.ts";
import { verifyPositionEmbedding } from "./kinds/position-embedding.ts";
import { verifyRandAugment } from "./kinds/rand-augment.ts";
import { verifyWholeWordMask, verifyWordPiece } from "./kinds/text.ts";
import { verifyTrajectory } from "./kinds/trajectory.ts";
import { verifyTransport } from "./kinds/transport.ts";

/** Computes what a case of one kind records. */
export type Kind = (golden: GoldenCase, underTest: UnderTest) => Claims;

const kinds: Readonly<Record<string, Kind>> = {
  vilt_forward: verifyForward,
  vilt_losses: verifyLosses,
  vilt_training: verifyTrajectory,
  pos_embed: verifyPositionEmbedding,
  wpa_ipot: verifyTransport,
  layers_f64: verifyLayers,
  resize: verifyResize,
  randaug: verifyRandAugment,
  wordpiece: verifyWordPiece,
  whole_word_mask: verifyWholeWordMask,
  metrics: verifyMetrics,
  vqa_answers: verifyAnswers,
  optimizers: verifyOptimizers,
  lr_schedules: verifySchedules,
  param_groups: verifyParameterGroups,
  model_folder: verifyModelFolder,
  image_processor: verifyImageProcessor,
  parameter_shapes: verifyParameterShapes,
};

export interface CaseResult extends Comparison {
  readonly case: string;
  readonly kind: string;
  /** "error": the case could not be run; `failures` says why. */
  readonly status: "pass" | "fail" | "error";
}

/**
 * Runs every recorded case of a folder: JSON files that state a `kind`, with their tensors beside them, and checkpoint
 * folders with an `expected.safetensors`. In float64 the
 * values recorded in float64 are compared with the tight tolerances, all others with those of float32.
 *
 * @throws {DataError} when the folder has no case
 */
export async function verifyFolder(folder: string, underTest: UnderTest): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const found of readCases(folder)) results.push(await verifyCase(found, underTest));
  return results;
}

async function verifyCase(found: ReadCase, underTest: UnderTest): Promise<CaseResult> {
  const kind = found instanceof GoldenCase ? found.metadata.kind : "unreadable";
  try {
    if (!(found instanceof GoldenCase)) throw found.error;
    if (!Object.hasOwn(kinds, kind))
      throw new DataError(`unknown kind "${kind}"; known are ${Object.keys(kinds).join(", ")}`);
    const claims = scope(() => withRecording(true, () => kinds[kind]!(found, underTest)), "verify");
    const comparison = await compare(found, claims);
    for (const { value } of claims.claims) if (value instanceof Tensor) value.release("verify");
    return { case: found.name, kind, status: comparison.failures.length ? "fail" : "pass", ...comparison };
  } catch (error) {
    const nothing = { compared: 0, worst: null, largestError: Number.NaN, tolerance: Number.NaN };
    return { case: found.name, kind, status: "error", ...nothing, failures: [(error as Error).message] };
  }
}
