// What all benchmarks share: the median, and the two ways to print.

export function median(numbers) {
  const sorted = numbers.toSorted((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `{"results": [...]}` for programs, or a table with the ratio to the first row of the same name and preset. */
export function printResults(results, json) {
  if (json) console.log(JSON.stringify({ results }));
  else console.table(results.map((result) => rowOf(result, results)));
}

function rowOf({ name, preset, device, threads, medianMs, minMs, runs, gflops, ...more }, results) {
  const first = results.find((other) => other.name === name && other.preset === preset);
  const { timesFirst = first.medianMs / medianMs, shareOfInnermostLoop, timeOverOurs, memoryMB, largestError } = more;
  const row = { name, preset, device, threads, "median ms": medianMs.toFixed(2), "min ms": minMs.toFixed(2), runs };
  Object.assign(row, { "GFLOP/s": gflops.toFixed(1), "times the first": timesFirst.toFixed(2) });
  if (shareOfInnermostLoop) row["of the innermost loop"] = shareOfInnermostLoop.toFixed(2);
  if (memoryMB) row["peak MB"] = memoryMB.toFixed(0);
  if (largestError) row.error = largestError.toExponential(0);
  for (const [other, ratio] of Object.entries(timeOverOurs ?? {})) row[`${other}: over ours`] = ratio.toFixed(2);
  return row;
}
