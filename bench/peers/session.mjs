// One work: everybody gets the same numbers, everybody's answers are compared with ours, and those that agree are timed
// in turn, so that all see the same load of the machine.
import { rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ContenderProcess } from "../harness/process.mjs";
import { ratioOf, summarize, timeInTurn } from "../harness/turns.mjs";
import { largestError } from "./compare.mjs";
import { commandOf } from "./contenders.mjs";
import { readArrays, writeData } from "./data.mjs";
import { flopsOf } from "./works.mjs";

/** Processes that prepare at a time. */
const AT_A_TIME = 2;

const here = fileURLToPath(new URL("./", import.meta.url));

/**
 * Results of all contenders at one work, those without a time included.
 *
 * @param seconds what each contender may spend on its runs; a slow one then has fewer, but at least one
 */
export async function runWork(work, contenders, { folder, runs, seconds, log }) {
  const dataFile = path.join(folder, "data.safetensors");
  writeData(work, dataFile);
  const invited = contenders.filter(({ module }) => !work.only || work.only.includes(module));
  const entries = invited.map((contender, i) => ({ contender, answersFile: path.join(folder, `${i}.safetensors`) }));
  try {
    // The first is viltgrad without BLAS: what the others are compared with.
    const [reference, ...others] = entries;
    await prepare(reference, work, dataFile);
    if (reference.failure) throw new Error(`${work.name}: viltgrad itself: ${reference.failure.message}`);
    const ours = readArrays(reference.answersFile);
    const queue = [...others];
    const next = async () => {
      for (let entry = queue.shift(); entry; entry = queue.shift()) await prepare(entry, work, dataFile, ours);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, next));
    const ready = entries.filter(({ failure }) => !failure);
    log(`${work.name}: ${ready.length} of ${entries.length} agree`);
    await timeInTurn(ready, { runs, seconds });
    const baseline = baselineOf(ready);
    return entries.map((entry) => resultOf(entry, work, baseline));
  } finally {
    for (const { process } of entries) process?.stop();
    for (const file of [dataFile, ...entries.map(({ answersFile }) => answersFile)]) rmSync(file, { force: true });
  }
}

/** Starts a contender and compares its answers with ours; what goes wrong becomes its failure. */
async function prepare(entry, work, dataFile, ours) {
  const { contender, answersFile } = entry;
  const { module, options } = contender;
  const job = { module, options, work, dataFile, answersFile };
  try {
    entry.process = await ContenderProcess.start(commandOf(contender, here), job);
    entry.run = (...args) => entry.process.run(...args);
    if (ours) entry.largestError = largestError(ours, readArrays(answersFile));
  } catch (failure) {
    entry.failure = failure;
    entry.process?.stop();
  }
}

/** The one that ratios are to: viltgrad without BLAS, with the most threads. */
function baselineOf(entries) {
  const ours = entries.filter(({ contender }) => contender.contender === "viltgrad");
  return ours.reduce((most, entry) => (entry.contender.threads > most.contender.threads ? entry : most));
}

function resultOf({ contender, process, failure, times, largestError }, work, baseline) {
  const { name, preset, kind, config, axis } = work;
  const { peakMB, ...said } = process?.facts ?? {}; // of the peers PyTorch alone tells its memory
  const facts = { ...said, contender: contender.contender, threads: contender.threads };
  const common = { name, preset, device: "", ...facts, ...(axis && { axis }), config: { kind, ...config } };
  if (failure) return { ...common, status: failure.status ?? "failed", note: failure.message };
  return {
    ...common,
    status: "timed",
    ...summarize(times, flopsOf(work)),
    timeOverOurs: { threads: baseline.contender.threads, ratio: ratioOf(times, baseline.times) },
    ...(largestError !== undefined && { largestError }),
  };
}
