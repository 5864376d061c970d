// What all benchmarks share: the median, and the two ways to print.

/** Of numbers in ascending order. */
export function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `{"results": [...]}` for programs, or a table with the ratio to the first row of the same name and preset. */
export function printResults(results, json) {
  if (json) {
    console.log(JSON.stringify({ results }));
    return;
  }
  console.table(
    results.map(({ name, preset, device, threads, medianMs, minMs, runs, gflops, shareOfInnermostLoop: share }) => {
      const first = results.find((other) => other.name === name && other.preset === preset);
      const row = { name, preset, device, threads, "median ms": medianMs.toFixed(2), "min ms": minMs.toFixed(2), runs };
      const speeds = { "GFLOP/s": gflops.toFixed(1), "times the first": (first.medianMs / medianMs).toFixed(2) };
      return { ...row, ...speeds, ...(share && { "of the innermost loop": share.toFixed(2) }) };
    }),
  );
}
