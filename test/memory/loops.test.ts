import t from "tap";
import { backward, grad } from "../../src/autograd/grad.ts";
import { noGrad } from "../../src/autograd/graph.ts";
import { randn, zeros } from "../../src/tensor/create.ts";
import { netAndOptimizer, nextTask, usage } from "./support.ts";

const STEPS = 10_000;
/** The first steps compile code, fill tables and set up the lists of free blocks. */
const SETTLED = 2_000;
const MIB = 2 ** 20;

/** Most of the heap and of the device's memory after `SETTLED` steps, against what there was then. */
function growth(step: (i: number) => void): { heap: number; used: number; reserved: number; moved: number } {
  let start: ReturnType<typeof usage> | undefined;
  const most = { heap: 0, used: 0, reserved: 0, moved: 0 };
  for (let i = 0; i < STEPS; i++) {
    step(i);
    if (i === SETTLED) start = usage();
    if (!start || i % 1000 !== 999) continue;
    const now = usage();
    for (const key of ["heap", "used", "reserved", "moved"] as const)
      most[key] = Math.max(most[key], now[key] - start[key]);
  }
  return most;
}

t.test("a synchronous training loop, with nothing said about memory", async (t) => {
  const { net, optimizer, rng } = netAndOptimizer(1);
  const [x, y] = [randn([32, 4], rng), zeros([32, 2])];
  let last = Infinity;
  const { heap, used, reserved } = growth((i) => {
    const loss = net.loss(x, y);
    backward(loss);
    optimizer.step({ learningRate: 1e-3 });
    optimizer.zeroGrad();
    if (i % 1000 === 0) last = loss.item();
  });
  t.ok(last < 1e-3, `it learns: ${last}`);
  t.ok(heap < 5 * MIB, `the heap grew by ${heap} bytes`);
  t.ok(used < MIB, `the tensors by ${used}`);
  t.equal(reserved, 0, "the memory of the device did not grow");
});

t.test("the same with a new batch in each step, which nobody gives back", async (t) => {
  const { net, optimizer, rng } = netAndOptimizer(2);
  const batch = 1024; // 24 KiB a step, so 240 MB in all if nothing came back
  const { heap, used, moved } = growth(() => {
    backward(net.loss(randn([batch, 4], rng), zeros([batch, 2])));
    optimizer.step({ learningRate: 1e-3 });
    optimizer.zeroGrad();
  });
  t.ok(heap < 8 * MIB, `the heap grew by ${heap} bytes`);
  t.ok(used < 70 * MIB, `the tensors by ${used}`);
  t.ok(moved > 100 * MIB, "what had piled up was moved to where the collector sees it");
});

t.test("a synchronous loop of gradients of a function", async (t) => {
  const { net, rng } = netAndOptimizer(3);
  const [x, y] = [randn([8, 4], rng), zeros([8, 2])];
  const gradient = grad((x) => net.loss(x, y));
  const { heap, used, reserved } = growth(() => gradient(x));
  t.ok(heap < 5 * MIB && used < 4 * MIB, `${heap} and ${used} bytes`);
  t.equal(reserved, 0);
});

t.test("a synchronous loop of inference under noGrad", async (t) => {
  const { net, rng } = netAndOptimizer(4);
  const x = randn([32, 4], rng);
  let total = 0;
  const { heap, used, reserved } = growth(() => {
    total += noGrad(() => net.forward(x)).dataSync()[0]!;
  });
  t.ok(Number.isFinite(total));
  t.ok(heap < 5 * MIB && used < 4 * MIB, `${heap} and ${used} bytes`);
  t.equal(reserved, 0);
});

/** When the collector has run and its reports have come in. */
async function settled(): Promise<ReturnType<typeof usage>> {
  usage();
  await nextTask();
  return usage();
}

t.test("an asynchronous training loop", async (t) => {
  const { net, optimizer, rng } = netAndOptimizer(5);
  let start: ReturnType<typeof usage> | undefined;
  for (let i = 0; i < STEPS; i++) {
    const loss = net.loss(randn([32, 4], rng), zeros([32, 2]));
    backward(loss);
    optimizer.step({ learningRate: 1e-3 });
    optimizer.zeroGrad();
    const [value] = await loss.data();
    if (!Number.isFinite(value)) t.fail(`step ${i}: ${value}`);
    if (i % 100 === 0) await nextTask();
    if (i === SETTLED) start = await settled();
  }
  const end = await settled();
  t.ok(end.heap - start!.heap < 5 * MIB, `the heap grew by ${end.heap - start!.heap} bytes`);
  t.ok(end.used - start!.used < 4 * MIB, `the tensors by ${end.used - start!.used}`);
});
