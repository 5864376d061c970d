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
const PREPARE_MS = 300_000;

/**
 * Entries for `timeInTurn`, none without a program.
 *
 * @param python the program, which has torch
 * @param work `name`, `preset`, `config` of what is timed, and how many `threads`
 * @param jobs what each process is asked, by the name that it has in results
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

async function prepare(python, { threads, ...work }, jobs) {
  const temporary = mkdtempSync(path.join(tmpdir(), "viltgrad-bench-"));
  const numbers = path.join(temporary, "numbers.safetensors");
  const command = [python, path.join(folder, `${work.name.replace("-", "_")}.py`)];
  const entries = [];
  try {
    execFileSync(process.execPath, [path.join(folder, "numbers.mjs"), JSON.stringify(work), numbers]);
    for (const [name, job] of Object.entries(jobs)) {
      const other = await ContenderProcess.start(
        command,
        { ...job, config: work.config, threads, numbers },
        PREPARE_MS,
      );
      entries.push({ name, threads, process: other, run: (...args) => other.run(...args) });
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
  for (const { process } of entries) process.stop();
}

/**
 * The results of viltgrad's entries, each with PyTorch's times over its own, and those of PyTorch. What went wrong in one
 * of them ends the benchmark.
 */
export function resultsBeside(entries, pytorch, { flops, memoryMB, ...work }) {
  for (const { failure } of [...entries, ...pytorch]) if (failure) giveUp(failure);
  const ours = entries.map(({ device, threads, times }) => {
    const timeOverOurs = Object.fromEntries(pytorch.map((other) => [other.name, ratioOf(other.times, times)]));
    return { ...work, device, threads, ...summarize(times, flops), memoryMB, timeOverOurs };
  });
  const theirs = pytorch.map(({ name, threads, times, process }) => {
    const { version, largestError, memoryBeforeMB, peakMB } = process.facts;
    const facts = { device: `${name} (${version})`, threads, memoryMB: peakMB - memoryBeforeMB, largestError };
    return { ...work, ...facts, ...summarize(times, flops) };
  });
  return [...ours, ...theirs];
}
