import { callSite } from "../tensor/call-site.ts";
import { isFloat } from "../tensor/dtype.ts";
import { AnomalyError, formatShape, GradientError } from "../tensor/errors.ts";
import { stridesOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { PullBack } from "./graph.ts";

/** Whether results are being searched; all that an operation asks while this is off. */
export let isSearching = false;

/** The operation whose pull-back is running, and where it ran forward. */
let pullingBack: { readonly operation: string; readonly site: string | null } | null = null;

/** Where the operations ran whose results have been searched. */
const sites = new WeakMap<Tensor, string>();

/**
 * Switches the search for NaN and infinities on or off, or on for the time of a function. While it is on, every
 * result, forward and backward, is read and searched, and the first bad one throws: with the operation, the line of
 * user code, the inputs with their ranges, whether an input was bad before, and in a pull-back the operation that it
 * belongs to. An infinite number given to `where` or `pad` is meant, and passes.
 *
 * @throws {AnomalyError} from the operation that is to blame
 */
export function anomaly(on: boolean): void;
export function anomaly<T>(body: () => T): T;
export function anomaly<T>(switchOrBody: boolean | (() => T)): T | undefined {
  if (typeof switchOrBody === "boolean") {
    isSearching = switchOrBody;
    return undefined;
  }
  const result = withSearching(true, switchOrBody);
  if (result instanceof Promise)
    throw new GradientError(
      "anomaly: the function is asynchronous, and what follows its first await would not be searched; call anomaly(true) before and anomaly(false) after it",
    );
  return result;
}

function withSearching<T>(on: boolean, body: () => T): T {
  const before = isSearching;
  isSearching = on;
  try {
    return body();
  } finally {
    isSearching = before;
  }
}

/** A composition that counts as one operation: what is infinite inside of it may be meant, its result is searched. */
export function searchedAsOne(operation: string, inputs: readonly Tensor[], body: () => Tensor): Tensor {
  if (!isSearching) return body();
  const out = withSearching(false, body);
  searchResult(operation, inputs, out);
  return out;
}

/** A pull-back through a composition: its shares are searched, not its inside. */
export function searchedAtTheEnd<T>(body: () => T): T {
  return isSearching ? withSearching(false, body) : body();
}

/** The pull-backs of `out`, so that what they compute is known to belong to `operation`. */
export function searchedPullBacks(
  operation: string,
  out: Tensor,
  pullBacks: () => readonly (PullBack | null)[],
): readonly (PullBack | null)[] {
  const inside = <T>(body: () => T): T => {
    const before = pullingBack;
    pullingBack = { operation, site: sites.get(out) ?? null };
    try {
      return body();
    } finally {
      pullingBack = before;
    }
  };
  return inside(pullBacks).map(
    (pullBack, i) =>
      pullBack &&
      (() =>
        inside(() => {
          const share = pullBack();
          if (isSearching) searchResult(`the gradient of input ${i}`, [], share);
          return share;
        })),
  );
}

/** @throws {AnomalyError} when a value is NaN or infinite */
export function searchResult(operation: string, inputs: readonly Tensor[], out: Tensor): void {
  if (!isFloat(out.dtype) || out.device === "meta") return;
  const found = census(out);
  if (found.bad === 0 || (found.nan === 0 && isMeant(operation, inputs))) {
    const site = callSite();
    if (site) sites.set(out, site);
    return;
  }
  const kind = found.nan ? "NaN" : "infinite";
  const index = stridesOf(out.shape).map((stride, axis) => Math.floor(found.first / stride) % out.shape[axis]!);
  const lines = [
    `${operation}: ${found.bad} of ${out.size} values ${found.bad === 1 ? "is" : "are"} not finite (${kind} first, at ${formatShape(index)} of ${formatShape(out.shape)})`,
    ...(pullingBack ? [`in the pull-back of ${pullingBack.operation}${ranAt(pullingBack.site)}`] : []),
    `called at ${callSite() ?? "an unknown place"}`,
    ...inputs.map(describe),
    ...(inputs.length ? [verdict(inputs)] : []),
  ];
  throw new AnomalyError(lines.join("\n  "));
}

interface Census {
  readonly bad: number;
  readonly nan: number;
  /** Position of the first bad value. */
  readonly first: number;
  readonly smallest: number;
  readonly largest: number;
}

/** @throws {GradientError} where the values of a result are known only later */
function census(x: Tensor): Census {
  if (x.backend.answersLater)
    throw new GradientError(
      `anomaly: ${x.operation} ran on ${x.device}, which answers later than results are searched; use gpu:webgl2, wasm or cpu`,
    );
  const values = x.dataSync();
  let [bad, nan, first, smallest, largest] = [0, 0, -1, Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      smallest = Math.min(smallest, value);
      largest = Math.max(largest, value);
      continue;
    }
    if (bad++ === 0) first = i;
    if (Number.isNaN(value)) nan++;
  }
  return { bad, nan, first, smallest, largest };
}

const isBad = (x: Tensor) => isFloat(x.dtype) && census(x).bad > 0;

/** Masking: an infinite number as an operand of `where`, or as what `pad` surrounds with. */
function isMeant(operation: string, inputs: readonly Tensor[]): boolean {
  if (operation === "pad") return !inputs.some(isBad);
  return operation === "where" && !inputs.some((input) => input.rank > 0 && isBad(input));
}

function describe(input: Tensor, i: number): string {
  const { bad, nan, smallest, largest } = census(input);
  const range = smallest <= largest ? `values from ${short(smallest)} to ${short(largest)}` : "no finite value";
  const flaws = bad ? `, and ${nan} NaN and ${bad - nan} infinite` : "";
  return `input ${i} ${formatShape(input.shape)} ${input.dtype}: ${range}${flaws}`;
}

const short = (value: number) => String(Number(value.toPrecision(6)));

function verdict(inputs: readonly Tensor[]): string {
  const at = inputs.findIndex(isBad);
  if (at < 0) return "all inputs were finite: it begins here";
  const { operation } = inputs[at]!;
  return `input ${at} was bad before: it is the result of ${operation}${ranAt(sites.get(inputs[at]!) ?? null)}`;
}

function ranAt(site: string | null): string {
  return site ? `, which ran at ${site}` : "";
}
