import { Cannot } from "../harness/cannot.mjs";

/** Of a result's largest number. Contenders sum in float32 in orders of their own; a mistake is orders of magnitude larger. */
export const TOLERANCE = 1e-4;

/**
 * The largest difference of two sets of arrays, each relative to the largest number of ours.
 *
 * @throws {Cannot} with status "differs" when an array is missing or too far from ours
 */
export function largestError(ours, theirs) {
  let worst = { error: 0, name: "" };
  for (const [name, { data }] of ours) {
    const other = theirs.get(name)?.data;
    if (other?.length !== data.length) throw new Cannot(`${name}: ${other?.length ?? "no"} numbers`, "differs");
    let [difference, scale] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      scale = Math.max(scale, Math.abs(data[i]));
      difference = Math.max(difference, Math.abs(data[i] - other[i])); // NaN stays NaN
    }
    const error = difference / scale;
    if (!(error <= worst.error)) worst = { error, name };
  }
  if (worst.error <= TOLERANCE) return worst.error;
  throw new Cannot(`${worst.name} is off by ${worst.error.toExponential(1)} of its largest number`, "differs");
}
