// deno run -A scripts/check-deno.mjs: the built library in Deno, the kernel of notebooks. Two threads answer to the same
// bits as one, a small model trains, and the process ends by itself.
import * as v from "../dist/bundle/index.js";

const [a, b] = [v.randn([300, 400], new v.Rng(1)), v.randn([400, 500], new v.Rng(2))];
const products = [1, 2].map((threads) => {
  v.setThreads(threads);
  return v.matmul(a, b).dataSync();
});
if (v.getThreads() !== 2) throw new Error(`${v.getThreads()} threads instead of 2`);
if (products[0].some((value, i) => value !== products[1][i])) throw new Error("two threads answer other bits than one");

const [w, x] = [new v.Parameter(v.tensor([1, -2, 3])), v.tensor([0.5, 1, 2])];
const optimizer = new v.AdamW([{ parameters: new Map([["w", w]]), weightDecay: 0 }]);
const losses = Array.from({ length: 50 }, () => {
  const loss = v.sum(v.square(v.sub(v.mul(w.value, x), 1)));
  const value = loss.item();
  v.backward(loss);
  optimizer.step({ learningRate: 0.1 });
  optimizer.zeroGrad();
  return value;
});
if (!(losses.at(-1) < 0.1 * losses[0])) throw new Error(`the loss went from ${losses[0]} to ${losses.at(-1)}`);
console.log(`Deno: two threads, loss ${losses[0].toFixed(2)} to ${losses.at(-1).toFixed(4)}`);
