import { withRecording } from "../../autograd/graph.ts";
import { DataError } from "../../tensor/errors.ts";
import { scope } from "../../tensor/scope.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Claims, type Comparison, compare } from "./comparison.ts";
import type { GoldenCase, UnderTest } from "./golden-case.ts";
import { verifyForward } from "./kinds/forward.ts";
import { verifyResize } from "./kinds/image.ts";
import { verifyLayers } from "./kinds/layers.ts";
import { verifyLosses } from "./kinds/losses.ts";
import { verifyAnswers, verifyMetrics } from "./kinds/metrics.ts";
import { verifyOptimizers, verifySchedules } from "./kinds/optimizers.ts";
import { verifyParameterGroups, verifyParameterShapes } from "./kinds/parameters.ts";
import { verifyPositionEmbedding } from "./kinds/position-embedding.ts";
import { verifyRandAugment } from "./kinds/rand-augment.ts";
import { verifyWholeWordMask, verifyWordPiece } from "./kinds/text.ts";
import { verifyTrajectory } from "./kinds/trajectory.ts";
import { verifyTransport } from "./kinds/transport.ts";

/** Computes what a case of one kind records. */
export type Kind = (golden: GoldenCase, underTest: UnderTest) => Claims;

/** The kinds whose cases are all in their files. */
export const kinds: Readonly<Record<string, Kind>> = {
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
  parameter_shapes: verifyParameterShapes,
};

export interface CaseResult extends Comparison {
  readonly case: string;
  readonly kind: string;
  /** "error": the case could not be run; `failures` says why. */
  readonly status: "pass" | "fail" | "error";
}

/** Runs one recorded case. @param known the kinds there are */
export async function verifyCase(
  golden: GoldenCase,
  underTest: UnderTest,
  known: Readonly<Record<string, Kind>> = kinds,
): Promise<CaseResult> {
  const { kind } = golden.metadata;
  try {
    if (!Object.hasOwn(known, kind))
      throw new DataError(`unknown kind "${kind}"; known are ${Object.keys(known).join(", ")}`);
    const claims = scope(() => withRecording(true, () => known[kind]!(golden, underTest)), "verify");
    const comparison = await compare(golden, claims);
    for (const { value } of claims.claims) if (value instanceof Tensor) value.release("verify");
    return { case: golden.name, kind, status: comparison.failures.length ? "fail" : "pass", ...comparison };
  } catch (error) {
    return failed(golden.name, kind, error as Error);
  }
}

/** A case that could not be run. */
export function failed(name: string, kind: string, error: Error): CaseResult {
  const nothing = { compared: 0, worst: null, largestError: Number.NaN, tolerance: Number.NaN };
  return { case: name, kind, status: "error", ...nothing, failures: [error.message] };
}
