import fc from "fast-check";
import { getBackend } from "../../../src/tensor/backend.ts";
import { fromArray } from "../../../src/tensor/create.ts";
import { loadGpu } from "../../../src/tensor/devices.ts";
import { toTypedArray } from "../../../src/tensor/dtype.ts";
import type { FusedName, KernelName } from "../../../src/tensor/kernels.ts";
import { type Case, difference, runLater, runOn, type Sample, type Tolerance } from "../../contract/harness.ts";
import { kernelCases } from "../../contract/kernels/cases.ts";
import { fusedFunctions } from "../../contract/kernels/fused.ts";
import { tolerances } from "./tolerances.ts";

/** What became of the calls of one kernel. */
export interface Comparison {
  readonly kernel: KernelName;
  readonly calls: number;
  /** The largest error, as a part of what the tolerance allows. */
  readonly worst: number;
  /** The first cell that differs by more, and of which call. */
  readonly problem: string | null;
  /** How many calls were left to `cpu`. */
  readonly fallbacks: number;
}

const CALLS = 6;
const SEED = 20260722;

/** Compares every kernel of `gpu` in that mode with `cpu` in float64. */
export async function compareKernels(mode: string): Promise<Comparison[]> {
  const device = await loadGpu(mode);
  const results: Comparison[] = [];
  for (const kernel of Object.keys(kernelCases) as (keyof typeof kernelCases)[])
    results.push(await compareKernel(device, kernel));
  return results;
}

async function compareKernel(device: string, kernel: keyof typeof kernelCases): Promise<Comparison> {
  const calls = fc.sample(kernelCases[kernel] as fc.Arbitrary<Case<KernelName>>, { numRuns: CALLS, seed: SEED });
  const tolerance = tolerances[kernel];
  let worst = 0;
  let problem: string | null = null;
  for (const call of calls) {
    const [actual, expected] = [await runLater(device, call), expectedOf(call)];
    for (const [i, cells] of expected.entries()) {
      const found = difference(actual[i]!, cells, tolerance);
      const shapes = call.inputs.map(({ shape }) => `[${shape.join(", ")}]`).join(", ");
      if (found !== null) problem ??= `${kernel}(${shapes}) ${JSON.stringify(call.attributes)}: ${found}`;
      worst = Math.max(worst, worstOf(actual[i]!, cells, tolerance));
    }
  }
  const fallbacks = getBackend(device).fallbacks.get(kernel) ?? 0;
  return { kernel, calls: calls.length, worst, problem, fallbacks };
}

function worstOf(actual: ArrayLike<number>, expected: ArrayLike<number>, { absolute = 0, relative = 0 }: Tolerance) {
  const errors = Array.from(expected, (e, k) => Math.abs(actual[k]! - e) / (absolute + relative * Math.abs(e)));
  return Math.max(0, ...errors.filter((error) => !Number.isNaN(error)));
}

/** The output, then the operands afterwards, which updates change. */
function expectedOf(call: Case<KernelName>): ArrayLike<number>[] {
  if (!(call.kernel in fusedFunctions)) return runOn("cpu", call, true);
  const { definition } = fusedFunctions[call.kernel as FusedName] as (typeof fusedFunctions)["softmax"];
  return [definition(call.inputs.map(precise), call.attributes as Record<string, never>).dataSync()];
}

/** The sample on `cpu`, float32 values as float64. */
function precise({ shape, dtype, values }: Sample) {
  const held = dtype === "int32" ? dtype : "float64";
  return fromArray(toTypedArray(toTypedArray(values, dtype), held), shape, { device: "cpu" });
}

Object.assign(globalThis, { compareKernels });
