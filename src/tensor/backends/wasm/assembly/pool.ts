// Handing out the tiles of one job to several threads.
//
// The ticket holds (job number, tiles, next tile) in one 64-bit word. A thread takes a tile by exchanging the whole
// word, so it can only ever take a tile of the job that is open now, and the job cannot end before that tile is done:
// the arguments never change under a running tile, however late a thread wakes up.

import { runTile } from "./dispatch";
import { findScratch } from "./job";

const TICKET: usize = 1024;
const DONE: usize = 1088;
/** Counts events; sleepers wait for it to change. */
const WAKE: usize = 1152;
const SLEEPERS: usize = 1216;
/** Threads with a smaller number take part. */
const ACTIVE: usize = 1280;
/** Set by a thread that died. */
const FAILED: usize = 1284;
/** Tiles that workers computed. */
const HELPED: usize = 1288;
const KERNEL: usize = 1344;

/** Looks before sleeping: some ten microseconds, the distance between two kernels of one step. */
const WORKER_SPINS: i32 = 30000;
const CALLER_SPINS: i32 = 10000;
/** The caller gives up after this many waits of 100 ms without a finished tile. */
const PATIENCE: i32 = 600;
const WAIT_NANOSECONDS: i64 = 100_000_000;

const FINISHED: i32 = 0;
const THREAD_FAILED: i32 = 1;
const NO_PROGRESS: i32 = 2;

/** Changes with each job this thread sees; packed operands that a thread keeps belong to one of them. */
export let job: i32 = 0;
let number: i32 = -1;

// @ts-expect-error: decorator
@inline
function tilesOf(ticket: i64): i32 {
  return <i32>(ticket >> 24) & 0xffffff;
}

// @ts-expect-error: decorator
@inline
function nextOf(ticket: i64): i32 {
  return <i32>ticket & 0xffffff;
}

/** Takes tiles of the open job until none is left; says whether there was one. */
function take(thread: i32): bool {
  let any = false;
  while (true) {
    const ticket = atomic.load<i64>(TICKET);
    const tile = nextOf(ticket);
    const tiles = tilesOf(ticket);
    if (tile >= tiles) return any;
    if (atomic.cmpxchg<i64>(TICKET, ticket, ticket + 1) !== ticket) continue;
    any = true;
    const current = <i32>(ticket >> 48);
    if (current !== number) {
      number = current;
      job = job + 1;
      findScratch(thread);
    }
    runTile(load<i32>(KERNEL), tile);
    if (thread !== 0) atomic.add<i32>(HELPED, 1);
    if (atomic.add<i32>(DONE, 1) + 1 === tiles && thread !== 0) atomic.notify(DONE, 1);
  }
}

/** Runs all tiles of a job on this thread. */
export function alone(kernel: i32, tiles: i32): void {
  job = job + 1;
  findScratch(0);
  for (let tile = 0; tile < tiles; tile++) runTile(kernel, tile);
}

/** Runs a job on all active threads. @param canWait whether this thread may sleep (a browser's page may not) */
export function together(kernel: i32, tiles: i32, canWait: bool): i32 {
  store<i32>(KERNEL, kernel);
  atomic.store<i32>(DONE, 0);
  const next = (atomic.load<i64>(TICKET) >> 48) + 1;
  atomic.store<i64>(TICKET, (next << 48) | (<i64>tiles << 24));
  atomic.add<i32>(WAKE, 1);
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(WAKE, -1);
  take(0);
  return finish(tiles, canWait);
}

function finish(tiles: i32, canWait: bool): i32 {
  let patience = PATIENCE;
  let before = -1;
  let spins = 0;
  while (true) {
    const done = atomic.load<i32>(DONE);
    if (done === tiles) return FINISHED;
    if (atomic.load<i32>(FAILED) !== 0) return THREAD_FAILED;
    if (spins++ < CALLER_SPINS || !canWait) continue;
    if (done !== before) patience = PATIENCE;
    else if (--patience === 0) return NO_PROGRESS;
    before = done;
    atomic.wait<i32>(DONE, done, WAIT_NANOSECONDS);
  }
}

/** The life of a worker: takes tiles, looks a while for more, sleeps. */
export function serve(thread: i32): void {
  while (true) {
    const seen = atomic.load<i32>(WAKE);
    const active = thread < atomic.load<i32>(ACTIVE);
    if (active && take(thread)) continue;
    if (active && somethingComes(seen)) continue;
    number = -1;
    atomic.add<i32>(SLEEPERS, 1);
    atomic.wait<i32>(WAKE, seen, -1);
    atomic.sub<i32>(SLEEPERS, 1);
  }
}

function somethingComes(seen: i32): bool {
  for (let spins = 0; spins < WORKER_SPINS; spins++) if (atomic.load<i32>(WAKE) !== seen) return true;
  return false;
}
