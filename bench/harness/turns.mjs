// Times contenders in turn, so that all see the same load of the machine, and what follows from that: ratios of the times
// in one round, whose median stays where it is when the machine is slower for a while.
import { Cannot } from "./cannot.mjs";
import { median } from "./report.mjs";

const WARM_UPS = 3;
/** Short works are repeated until they take as long as this: the clock and the message are then small. */
const LEAST_MS = 10;
/** Between two contenders: threads of the one before stop looking for work. */
const PAUSE_MS = 50;
/**
 * Before each timed run a contender works at least this long untimed: after the pause the system often starts a woken
 * thread on the core of the one that woke it, and takes some ten milliseconds to move it. A run that is ten times as long
 * does not feel that.
 */
const WAKE_MS = 100;
/** What the runs of one contender may take: long enough for dozens of the slowest. */
const SECONDS = 120;
/** A run that does not end has taken this long, and ten times what all of its contender may take. */
const LEAST_LIMIT_SECONDS = 180;

/**
 * Gives each entry its `times`, milliseconds of one run in each round, or as its `failure` what it says it cannot do.
 *
 * @param entries each with `run(repeats, limitMs)`, which answers milliseconds of one of so many runs
 * @param runs rounds, one timed run of everybody each
 * @param seconds what each entry may spend on its runs; a slow one then has fewer, but at least one
 * @param leastMs of a timed run
 * @param pauseMs between two entries
 * @param wakeMs of untimed work after it
 * @throws what an entry throws that is no `Cannot`
 */
export async function timeInTurn(entries, options) {
  const { runs, seconds = SECONDS, leastMs = LEAST_MS, pauseMs = PAUSE_MS, wakeMs = WAKE_MS } = options;
  const budget = seconds * 1000;
  for (const entry of entries) Object.assign(entry, { times: [], spent: 0, repeats: 1 });
  for (let round = -WARM_UPS; round < runs; round++)
    for (const entry of round % 2 ? entries.toReversed() : entries) {
      const isWarmUp = round < 0;
      const isSpent = isWarmUp ? entry.spent > budget / 4 : entry.spent > budget && entry.times.length > 0;
      if (entry.failure || isSpent) continue;
      try {
        const limit = Math.max(10 * budget, LEAST_LIMIT_SECONDS * 1000);
        if (!isWarmUp && entry.ms < 10 * wakeMs) await entry.run(Math.ceil(wakeMs / entry.ms), limit);
        const ms = await entry.run(entry.repeats, limit);
        entry.ms = ms;
        entry.spent += ms * entry.repeats;
        if (isWarmUp) entry.repeats = Math.max(1, Math.round(leastMs / ms));
        else entry.times.push(ms);
      } catch (failure) {
        if (!(failure instanceof Cannot)) throw failure;
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
