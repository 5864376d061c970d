// Jobs wait in a queue; the tiles of the first one are handed out to several threads.
//
// The calling thread is to run ahead: while workers compute what it has queued, it prepares the next jobs. It takes tiles
// itself when it is far enough ahead, and waits only where somebody wants to see results or the queue is full.
//
// Jobs run one after the other, in order. The ticket holds (job number, end, start) of the tiles that are left in one 64-bit
// word. A thread takes a tile by exchanging the whole word, so it can only ever take a tile of the job that is open now, and
// the job cannot end before that tile is done: the arguments never change under a running tile, however late a thread wakes
// up. Whoever does a job's last tile opens the next.
//
// Even threads take the first tile that is left, odd ones the last: most rows of a batch then stay with one thread from job to
// job, and in the cache of its core.

import { runTile } from "./dispatch";
import { ARGUMENTS, findScratch } from "./job";

const TICKET: usize = 1024;
const DONE: usize = 1088;
/** Counts events; sleeping workers wait for it to change. */
const WAKE: usize = 1152;
const SLEEPERS: usize = 1216;
/** Threads with a smaller number take part. */
const ACTIVE: usize = 1280;
/** Set by a thread that died. */
const FAILED: usize = 1284;
/** Tiles that workers computed. */
const HELPED: usize = 1288;
/** Jobs that are not done; the calling thread waits for it to change. */
const PENDING: usize = 1344;
const KERNEL: usize = 1348;
/** Jobs that were opened. */
const OPENED: usize = 1352;
/** Of the open job. */
const TILES: usize = 1356;

/** Where the host leaves the arguments of a job; 512 words, as at `ARGUMENTS`. */
const STAGE: usize = 4096;
const ARGUMENT_BYTES: usize = 2048;
/** The queue: kernel, tiles, whether it is worth waking threads, arguments of a job each. */
const QUEUE: usize = 8192;
const PLACES: i32 = 128;
const PLACE_BYTES: usize = 2112;
const HEAD: usize = 64;

/** So many jobs may wait before the calling thread takes tiles: enough to last while it prepares the next batch. */
const AHEAD: i32 = 112;

/** Looks before sleeping: some ten microseconds, the distance between two kernels of one step. */
const WORKER_SPINS: i32 = 30000;
const CALLER_SPINS: i32 = 10000;
/** The caller gives up after this many waits of 100 ms in which no job ended. */
const PATIENCE: i32 = 600;
const WAIT_NANOSECONDS: i64 = 100_000_000;

const FINISHED: i32 = 0;
const THREAD_FAILED: i32 = 1;
const NO_PROGRESS: i32 = 2;

/** Changes with each job this thread sees; packed operands that a thread keeps belong to one of them. */
export let job: i32 = 0;
/** Which one that was, by the count of all opened. */
let opened: i32 = -1;
/** Jobs that this thread put into the queue. */
let queued: i32 = 0;

// @ts-expect-error: decorator
@inline
function endOf(ticket: i64): i32 {
  return <i32>(ticket >> 24) & 0xffffff;
}

// @ts-expect-error: decorator
@inline
function startOf(ticket: i64): i32 {
  return <i32>ticket & 0xffffff;
}

// @ts-expect-error: decorator
@inline
function placeOf(index: i32): usize {
  return QUEUE + <usize>(index % PLACES) * PLACE_BYTES;
}

/** Takes a tile of the open job and computes it; says whether there was one. */
function take(thread: i32): bool {
  const fromEnd = (thread & 1) !== 0;
  let ticket = atomic.load<i64>(TICKET);
  while (true) {
    if (startOf(ticket) >= endOf(ticket)) return false;
    const seen = atomic.cmpxchg<i64>(TICKET, ticket, fromEnd ? ticket - (1 << 24) : ticket + 1);
    if (seen === ticket) break;
    ticket = seen;
  }
  const current = load<i32>(OPENED);
  if (current !== opened) {
    opened = current;
    job = job + 1;
    findScratch(thread);
  }
  runTile(load<i32>(KERNEL), fromEnd ? endOf(ticket) - 1 : startOf(ticket));
  if (thread !== 0) atomic.add<i32>(HELPED, 1);
  if (atomic.load<i64>(TICKET) >> 48 !== ticket >> 48) return true; // it was abandoned
  const tiles = load<i32>(TILES); // no longer this job's once its last tile counts as done
  if (atomic.add<i32>(DONE, 1) + 1 === tiles) end(thread);
  return true;
}

/** After a job's last tile. */
function end(thread: i32): void {
  if (atomic.sub<i32>(PENDING, 1) > 1) open();
  if (thread !== 0) atomic.notify(PENDING, 1);
}

/** Opens the job that has waited longest; no other is open. */
function open(): void {
  const index = load<i32>(OPENED);
  store<i32>(OPENED, index + 1);
  const place = placeOf(index);
  store<i32>(KERNEL, load<i32>(place));
  memory.copy(ARGUMENTS, place + HEAD, ARGUMENT_BYTES);
  const tiles = load<i32>(place, 4);
  store<i32>(TILES, tiles);
  atomic.store<i32>(DONE, 0);
  const next = (atomic.load<i64>(TICKET) >> 48) + 1;
  atomic.store<i64>(TICKET, (next << 48) | (<i64>tiles << 24));
  if (load<i32>(place, 8)) wake(); // some may have fallen asleep over the last tile of the job before
}

/** Wakes threads that sleep. */
function wake(): void {
  atomic.add<i32>(WAKE, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(WAKE, -1);
}

/** Runs all tiles of the job that stands at `STAGE` on this thread. No other may be pending. */
export function alone(kernel: i32, tiles: i32): void {
  memory.copy(ARGUMENTS, STAGE, ARGUMENT_BYTES);
  job = job + 1;
  findScratch(0);
  for (let tile = 0; tile < tiles; tile++) runTile(kernel, tile);
}

/**
 * Queues the job that stands at `STAGE` for all active threads.
 *
 * @param wakes whether it is worth waking threads that sleep
 * @param canWait whether this thread may sleep (a browser's page may not)
 */
export function launch(kernel: i32, tiles: i32, wakes: bool, canWait: bool): i32 {
  const status = help(PLACES - 1, PLACES - 1, canWait);
  if (status !== FINISHED) return status;
  if (!wakes && atomic.load<i32>(PENDING) === 0 && atomic.load<i32>(SLEEPERS) > 0) {
    alone(kernel, tiles);
    return FINISHED;
  }
  const place = placeOf(queued);
  queued = queued + 1;
  store<i32>(place, kernel);
  store<i32>(place, tiles, 4);
  store<i32>(place, wakes, 8);
  memory.copy(place + HEAD, STAGE, ARGUMENT_BYTES);
  if (atomic.add<i32>(PENDING, 1) === 0) open();
  else if (wakes) wake();
  return help(AHEAD, PLACES - 1, canWait);
}

/** Waits until no more than so many jobs, the last ones, are left, and helps. */
export function settle(left: i32, canWait: bool): i32 {
  return help(left, left, canWait);
}

/** Forgets all jobs; what other threads are computing counts for nothing. */
export function abandon(): void {
  atomic.store<i64>(TICKET, ((atomic.load<i64>(TICKET) >> 48) + 1) << 48);
  store<i32>(OPENED, queued);
  atomic.store<i32>(PENDING, 0);
}

/** Takes tiles while more than `few` jobs are pending; waits for other threads while more than `many` are. */
function help(few: i32, many: i32, canWait: bool): i32 {
  let patience = PATIENCE;
  let before = -1;
  let spins = 0;
  while (true) {
    const pending = atomic.load<i32>(PENDING);
    if (pending <= few) return FINISHED;
    if (take(0)) {
      spins = 0;
      continue;
    }
    if (pending <= many) return FINISHED;
    if (atomic.load<i32>(FAILED) !== 0) return THREAD_FAILED;
    if (spins++ < CALLER_SPINS || !canWait) continue;
    if (pending !== before) patience = PATIENCE;
    else if (--patience === 0) return NO_PROGRESS;
    before = pending;
    atomic.wait<i32>(PENDING, pending, WAIT_NANOSECONDS);
  }
}

/** The life of a worker: takes tiles, looks a while for more, sleeps. */
export function serve(thread: i32): void {
  while (true) {
    const seen = atomic.load<i32>(WAKE);
    const active = thread < atomic.load<i32>(ACTIVE);
    if (active && (take(thread) || somethingComes(seen))) continue;
    atomic.add<i32>(SLEEPERS, 1);
    atomic.wait<i32>(WAKE, seen, -1);
    atomic.sub<i32>(SLEEPERS, 1);
  }
}

/** Whether within a short time another job opens, or the host says something. */
function somethingComes(seen: i32): bool {
  const ticket = atomic.load<i64>(TICKET);
  for (let spins = 0; spins < WORKER_SPINS; spins++)
    if (atomic.load<i64>(TICKET) !== ticket || atomic.load<i32>(WAKE) !== seen) return true;
  return false;
}
