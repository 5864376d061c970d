// Who takes part, with how many threads; each entry is one process. contenders/ has a file for each module.

/**
 * @param threads the numbers of threads that are tried, ascending
 * @param words beginnings of names, none for all; viltgrad always takes part
 * @throws {RangeError} for a word that begins no name
 */
export function contendersFor(threads, words) {
  const each = (contender, module, options) => threads.map((count) => entry(contender, module, count, options));
  const all = [
    ...each("viltgrad", "viltgrad"),
    ...each("viltgrad, BLAS", "viltgrad", { blas: true }),
    ...each("PyTorch", "pytorch"),
    ...each("onnxruntime", "onnxruntime"),
    entry("TensorFlow.js", "tfjs", 1),
    entry("TensorFlow.js, tuned", "tfjs", 1, { tuned: true }),
    ...each("jax-js", "jax-js"),
    entry("gpu.js, cpu", "gpujs", 1, { mode: "cpu" }),
    ...each("gpu.js, webasm", "gpujs", { mode: "webasm" }),
    entry("js-pytorch", "js-pytorch", 1),
  ];
  const unknown = words.find((word) => !all.some((one) => isCalled(one, word)));
  if (unknown) throw new RangeError(`no contender is called "${unknown}"; there are ${names(all).join("; ")}`);
  return all.filter(
    (one) => one.contender === "viltgrad" || !words.length || words.some((word) => isCalled(one, word)),
  );
}

function entry(contender, module, threads, options = {}) {
  return { contender, module, threads, options: { threads, ...options } };
}

const isCalled = ({ contender }, word) => contender.toLowerCase().startsWith(word.toLowerCase());
const names = (entries) => [...new Set(entries.map(({ contender }) => contender))];

/** The program that runs a contender, and what comes before its job. */
export function commandOf({ module }, here) {
  if (module === "pytorch") return [process.env.VILTGRAD_PYTHON || "python3", `${here}contenders/pytorch.py`];
  // Node 20 has what jax-js needs of newer ones, behind a flag.
  const flags = Number.parseInt(process.versions.node, 10) < 22 ? ["--harmony-iterator-helpers"] : [];
  return [process.execPath, ...flags, `${here}worker.mjs`];
}
