// Times contenders in turn, so that all see the same load of the machine, and what follows from that: ratios of the times
// in one round, whose median stays where it is when the machine is slower for a while.
import { median } from "./report.mjs";

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
/** A run that takes longer than this, or than ten times what all of them may take, does not end. */
const LEAST_LIMIT_SECONDS = 180;

/**
 * Gives each entry its `times`, milliseconds of one run in each round, or a `failure`.
 *
 * @param entries each with `run(repeats, limitMs)`, which answers milliseconds of one of so many runs
 * @param seconds what each entry may spend on its runs; a slow one then has fewer, but at least one
 * @param leastMs of a timed run
 * @param pauseMs between two entries
 * @param wakeMs of untimed work after it
 */
export async function timeInTurn(entries, options) {
  const { runs, seconds = 600, leastMs = LEAST_MS, pauseMs = PAUSE_MS, wakeMs = WAKE_MS } = options;
  const budget = seconds * 1000;
  for (const entry of entries) Object.assign(entry, { times: [], spent: 0, repeats: 1 });
  for (let round = -WARM_UPS; round < runs; round++)
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[(i + round + WARM_UPS) % entries.length]; // nobody always follows the same one
      const isWarmUp = round < 0;
      const isSpent = isWarmUp ? entry.spent > budget / 4 : entry.spent > budget && entry.times.length > 0;
      if (entry.failure || isSpent) continue;
      try {
        const limit = Math.max(10 * budget, LEAST_LIMIT_SECONDS * 1000);
        const before = isWarmUp ? 0 : Math.round(wakeMs / entry.ms);
        if (before > 0) await entry.run(before, limit);
        const ms = await entry.run(entry.repeats, limit);
        entry.ms = ms;
        entry.spent += ms * entry.repeats;
        if (isWarmUp) entry.repeats = Math.max(1, Math.round(leastMs / ms));
        else entry.times.push(ms);
      } catch (failure) {
        entry.failure = failure;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
}

/** The median of one side's times over the other's in the same rounds: those that both took part in are the first ones. */
export function ratioOf(times, others) {
  const rounds = Math.min(times.length, others.length);
  return median(times.slice(0, rounds).map((ms, round) => ms / others[round]));
}

/** What stands in a result: milliseconds and the rate of so many floating-point operations a run. */
export function summarize(times, flops) {
  const medianMs = median(times);
  return { medianMs, minMs: Math.min(...times), runs: times.length, gflops: flops / medianMs / 1e6 };
}
