// What a session found, for people: a table for each work, and why some have no number.

export function printTables(results) {
  for (const name of new Set(results.map((result) => result.name))) {
    const rows = results.filter((result) => result.name === name && result.status === "timed");
    console.log(`\n${name}: ${shapeOf(rows[0].config)}`);
    console.table(
      rows
        .toSorted((a, b) => a.medianMs - b.medianMs)
        .map(({ contender, device, threads, medianMs, minMs, runs, gflops, timeOverOurs, largestError }) => ({
          ...{ contender, device, threads, "median ms": medianMs.toFixed(2), "min ms": minMs.toFixed(2), runs },
          "GFLOP/s": gflops.toFixed(1),
          [`time over ours (${timeOverOurs.threads} threads)`]: timeOverOurs.ratio.toFixed(2),
          "largest error": largestError?.toExponential(0) ?? "reference",
        })),
    );
  }
  printReasons(results.filter(({ status }) => status !== "timed"));
}

/** One line for each contender and reason, with the works it holds for. */
function printReasons(results) {
  const works = new Map();
  for (const { contender, threads, status, note, name } of results) {
    const reason = `${contender}: ${status}: ${note}`;
    works.set(reason, new Set([...(works.get(reason) ?? []), status === "cannot" ? name : `${name} (${threads})`]));
  }
  if (works.size) console.log("\nWithout a time:");
  for (const [reason, names] of works) console.log(`  ${reason}  [${[...names].join("; ")}]`);
  if (results.some(({ status }) => status === "not installed"))
    console.log("\nInstall the peers: npm install --prefix bench/peers --ignore-scripts; PyTorch: VILTGRAD_PYTHON");
}

const shapeOf = ({ kind, optimizer, ...config }) =>
  [...Object.entries(config).map(([name, value]) => `${name} ${value}`), ...(optimizer ? [optimizer.name] : [])].join(
    ", ",
  );
