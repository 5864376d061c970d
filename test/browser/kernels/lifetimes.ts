import type { Cells } from "../../../src/tensor/backends/gpujs/cells.ts";
import type { Launcher } from "../../../src/tensor/backends/gpujs/launcher.ts";
import type { GpuMode } from "../../../src/tensor/backends/gpujs/modes.ts";
import { openGpu } from "../../../src/tensor/backends/gpujs/open.ts";

/** One more than are kept. */
const MANY = 401;

/** Cell i is `first` + i. */
function count(launcher: Launcher, first: number, cells: number): Cells {
  return launcher.launch("count", "function (first) { return first + this.thread.x; }", [first], cells);
}

/** Three calls of one kernel that is forgotten before it was built: the first cell of each. */
async function callForgotten(mode: GpuMode): Promise<number[]> {
  const { launcher } = (await openGpu(mode))!;
  const called = [5, 6, 7].map((first) => count(launcher, first, 1));
  for (let cells = 2; cells < 2 + MANY; cells++) count(launcher, 0, cells);
  const values = await Promise.all(called.map((cells) => cells.values()));
  return values.map(([first]) => first!);
}

/** The first cell of a result whose kernel is forgotten while it is read. */
async function readForgotten(mode: GpuMode): Promise<number> {
  const { launcher } = (await openGpu(mode))!;
  const read = count(launcher, 5, 2 ** 16);
  await read.handle();
  const reading = read.values();
  for (let cells = 1; cells < 1 + MANY; cells++) count(launcher, 0, cells);
  return (await reading)[0]!;
}

Object.assign(globalThis, { callForgotten, readForgotten });
