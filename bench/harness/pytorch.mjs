// PyTorch as the other side of a benchmark: processes that have computed what viltgrad computes before they are timed.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Cannot } from "./cannot.mjs";
import { ContenderProcess } from "./process.mjs";
import { ratioOf, summarize } from "./turns.mjs";

const folder = fileURLToPath(new URL("../pytorch/", import.meta.url));

/**
 * Entries for `timeInTurn`, none without a program.
 *
 * @param python the program, which has torch
 * @param work `name`, `preset`, `config` of what is timed, its operations as `flops`, and how many `threads`
 * @param jobs by the name that each process has in results, what it is told, and where it differs from the work
 */
export async function startPytorch(python, work, jobs) {
  if (python === undefined) return [];
  try {
    return await prepare(python, work, jobs);
  } catch (error) {
    giveUp(error);
  }
}

/** Ends the benchmark with what PyTorch could not do; a mistake of the benchmark itself is thrown on. */
function giveUp(error) {
  if (!(error instanceof Cannot)) throw error;
  console.error(`bench: PyTorch: ${error.message}`);
  process.exit(2);
}

async function prepare(python, { threads, flops, ...work }, jobs) {
  const temporary = mkdtempSync(path.join(tmpdir(), "viltgrad-bench-"));
  const numbers = path.join(temporary, "numbers.safetensors");
  const command = [python, path.join(folder, `${work.name.replace("-", "_")}.py`)];
  const entries = [];
  try {
    execFileSync(process.execPath, [path.join(folder, "numbers.mjs"), JSON.stringify(work), numbers]);
    for (const [name, job] of Object.entries(jobs)) {
      const own = { config: work.config, flops, ...job };
      const contender = await ContenderProcess.start(command, { ...own, threads, numbers });
      entries.push({ ...own, name, threads, contender, run: (...args) => contender.run(...args).catch(giveUp) });
    }
    return entries;
  } catch (error) {
    stopPytorch(entries);
    throw error;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

export function stopPytorch(entries) {
  for (const { contender } of entries) contender.stop();
}

/** The results of viltgrad's entries, each with the times of PyTorch with as many threads over its own, and PyTorch's. */
export function resultsBeside(entries, pytorch, { flops, memoryMB, ...work }) {
  const timesFirst = (times) => ratioOf(entries[0].times, times);
  const ours = entries.map(({ device, threads, times }) => {
    const equals = pytorch.filter((other) => other.threads === threads);
    const timeOverOurs = Object.fromEntries(equals.map((other) => [other.name, ratioOf(other.times, times)]));
    const timing = { ...summarize(times, flops), timesFirst: timesFirst(times) };
    return { ...work, device, threads, ...timing, memoryMB, timeOverOurs };
  });
  const theirs = pytorch.map(({ name, config, flops, threads, times, contender }) => {
    const { version, largestError, memoryBeforeMB, peakMB } = contender.facts;
    const facts = { device: `${name} (${version})`, threads, memoryMB: peakMB - memoryBeforeMB, largestError };
    return { ...work, config, ...facts, ...summarize(times, flops), timesFirst: timesFirst(times) };
  });
  return [...ours, ...theirs];
}
