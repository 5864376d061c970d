// The results of `npm run bench -- gpu` as text: for the terminal, and to paste into a page or an issue.

const COLUMNS = {
  work: ({ name }) => name,
  device: ({ device }) => device,
  "median ms": ({ medianMs }) => medianMs.toPrecision(4),
  "GFLOP/s": ({ gflops }) => (gflops ? gflops.toFixed(1) : ""),
  "GB/s": ({ gigabytesPerSecond: rate }) => (rate ? rate.toFixed(1) : ""),
  "times the first": ({ timesFirst }) => timesFirst.toFixed(2),
  operations: counted("operations"),
  launches: counted("launches"),
  compiled: counted("compiles"),
  "MB read": ({ counters }) => (counters ? (counters.bytesRead / 1e6).toFixed(1) : ""),
  "MB written": ({ counters }) => (counters ? (counters.bytesWritten / 1e6).toFixed(1) : ""),
  uploads: counted("uploads"),
  "read back": counted("readBacks"),
  "new memory": counted("allocations"),
  "used again": counted("reuses"),
  "live MB": ({ counters }) => (counters ? (counters.liveBytes / 1e6).toFixed(1) : ""),
  "left to cpu": counted("fallbacks"),
};

function counted(name) {
  return ({ counters }) => (counters ? `${Math.round(counters[name] * 100) / 100}` : "");
}

/** The columns' titles. */
export const titles = Object.keys(COLUMNS);

/** The texts of one result, compared with the first one of the same work. */
export function cellsOf(result, results) {
  const first = results.find(({ name }) => name === result.name);
  const row = { ...result, timesFirst: first.medianMs / result.medianMs };
  return Object.values(COLUMNS).map((text) => text(row));
}

/** A table in Markdown, under a line that says where it was measured. */
export function markdown(results, place) {
  const rows = [titles, titles.map(() => "---"), ...results.map((result) => cellsOf(result, results))];
  return `${place}\n\n${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}
