import t from "tap";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { backward, grad } from "../../src/autograd/grad.ts";
import { noGrad, variable } from "../../src/autograd/graph.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { randn, zeros } from "../../src/tensor/create.ts";
import { scope } from "../../src/tensor/scope.ts";
import { netAndOptimizer, nextTask, usage } from "./support.ts";

const STEPS = 20_000;
const MIB = 2 ** 20;

t.test("a soak of mixed steps with batches of all sizes stays within bounds", async (t) => {
  const { net, optimizer, rng } = netAndOptimizer(7);
  const train = (n: number): void => {
    backward(net.loss(randn([n, 4], rng), zeros([n, 2])));
    optimizer.step({ learningRate: 1e-3 });
    optimizer.zeroGrad();
  };
  const steps: readonly ((n: number) => unknown)[] = [
    train,
    (n) => noGrad(() => net.forward(randn([n, 4], rng))).dataSync(),
    (n) => grad((x) => sum(softmax(matmul(x, x, { transposeB: true }))))(randn([1 + (n % 24), 3], rng)),
    (n) => scope(() => net.loss(randn([n, 4], rng), zeros([n, 2])).item()),
    (n) => {
      const x = variable(randn([n, 4], rng));
      const [first] = grad(net.loss(x, zeros([n, 2])), [x], { createGraph: true });
      grad(sum(first!), [x], { allowUnused: true }); // a graph that is never given back
    },
    () => {
      try {
        net.forward(randn([3, 5], rng));
      } catch {
        return; // what was made before an error
      }
      t.fail("a wrong shape was taken");
    },
  ];
  let [heap, used] = [0, 0];
  let start: ReturnType<typeof usage> | undefined;
  for (let i = 0; i < STEPS; i++) {
    steps[rng.int(steps.length)]!(1 + rng.int(64));
    if (i % 500 === 0) await nextTask();
    if (i % 2000 !== 1999) continue;
    const now = usage();
    start ??= now;
    [heap, used] = [Math.max(heap, now.heap - start.heap), Math.max(used, now.used - start.used)];
  }
  t.ok(heap < 15 * MIB, `the heap grew by at most ${heap} bytes`);
  t.ok(used < 16 * MIB, `the tensors by at most ${used}`);
  await nextTask();
  const end = usage();
  t.ok(end.used - start!.used < 4 * MIB, `and ${end.used - start!.used} at the end`);
});
