// One work: everybody gets the same numbers, everybody's answers are compared with ours, and those that agree are timed
// in turn, so that all see the same load of the machine.
import { rmSync } from "node:fs";
import path from "node:path";
import { median } from "../report.mjs";
import { largestError } from "./compare.mjs";
import { readArrays, writeData } from "./data.mjs";
import { ContenderProcess } from "./process.mjs";
import { flopsOf } from "./works.mjs";

/** Preparing is not timed, but it ends: compiling, drawing, and three steps for the comparison. */
const PREPARE_SECONDS = 180;
/** Processes that prepare at a time. */
const AT_A_TIME = 2;
const WARM_UPS = 3;
/** Short works are repeated until they take as long as this: the clock and the message are then small. */
const LEAST_MS = 10;
/** Between two contenders: threads of the one before stop looking for work. */
const PAUSE_MS = 50;
/**
 * Before each timed run a contender works about this long untimed: after the pause the system often starts a woken thread
 * on the core of the one that woke it, and takes some ten milliseconds to move it.
 */
const WAKE_MS = 100;

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
    return entries.map((entry) => resultOf(entry, work));
  } finally {
    for (const { process } of entries) process?.stop();
    for (const file of [dataFile, ...entries.map(({ answersFile }) => answersFile)]) rmSync(file, { force: true });
  }
}

/** Starts a contender and compares its answers with ours; what goes wrong becomes its failure. */
async function prepare(entry, work, dataFile, ours) {
  const { contender, answersFile } = entry;
  try {
    entry.process = await ContenderProcess.start(contender, { work, dataFile, answersFile }, PREPARE_SECONDS * 1000);
    if (ours) entry.largestError = largestError(ours, readArrays(answersFile));
  } catch (failure) {
    entry.failure = failure;
    entry.process?.stop();
  }
}

async function timeInTurn(entries, { runs, seconds }) {
  const budget = seconds * 1000;
  for (const entry of entries) Object.assign(entry, { times: [], spent: 0, repeats: 1 });
  for (let round = -WARM_UPS; round < runs; round++)
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[(i + round + WARM_UPS) % entries.length]; // nobody always follows the same one
      const isWarmUp = round < 0;
      const isSpent = isWarmUp ? entry.spent > budget / 4 : entry.spent > budget && entry.times.length > 0;
      if (entry.failure || isSpent) continue;
      try {
        const limit = Math.max(10 * budget, PREPARE_SECONDS * 1000);
        const before = isWarmUp ? 0 : Math.round(WAKE_MS / entry.ms);
        if (before > 0) await entry.process.run(before, limit);
        const ms = await entry.process.run(entry.repeats, limit);
        entry.ms = ms;
        entry.spent += ms * entry.repeats;
        if (isWarmUp) entry.repeats = Math.max(1, Math.round(LEAST_MS / ms));
        else entry.times.push(ms);
      } catch (failure) {
        entry.failure = failure;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
}

function resultOf({ contender, process, failure, times, largestError }, work) {
  const { name, preset, kind, config, axis } = work;
  const facts = { ...process?.facts, contender: contender.contender, threads: contender.threads };
  const common = { name, preset, device: "", ...facts, ...(axis && { axis }), config: { kind, ...config } };
  if (failure) return { ...common, status: failure.status ?? "failed", note: failure.message };
  const sorted = times.toSorted((a, b) => a - b);
  const medianMs = median(sorted);
  const timing = { medianMs, minMs: sorted[0], runs: sorted.length, gflops: flopsOf(work) / medianMs / 1e6 };
  return { ...common, status: "timed", ...timing, ...(largestError !== undefined && { largestError }) };
}
