import t from "tap";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { backward, grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { noGrad, Parameter, variable } from "../../src/autograd/graph.ts";
import { onGrad } from "../../src/autograd/hooks.ts";
import { add, mul, square } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { exp, sin, tanh } from "../../src/autograd/ops/transcendental.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { wasmMemory } from "../../src/tensor/backends/wasm/index.ts";
import { randn, tensor } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const scalar = (value: number) => tensor(value, exact);

t.test("checkpoint: the same values and gradients, bit for bit, of inputs and of parameters", async (t) => {
  const [w, b] = [new Parameter(draw([4, 4], "w")), new Parameter(draw([4], "b"))];
  const layer = (x: Tensor) => tanh(linear(x, w.value, b.value));
  const run = (call: (x: Tensor) => Tensor) => {
    for (const p of [w, b]) p.grad = null;
    const x = new Parameter(draw([3, 4], "x"));
    const y = call(call(call(x.value))).keep();
    backward(sum(square(y)));
    return [y, x.grad!, w.grad!, b.grad!].map(values);
  };
  t.same(
    run((x) => checkpoint(layer, x)),
    run(layer),
  );
});

t.test("checkpoint: what f captures: an inner tensor, a parameter, one tensor twice, its own result", async (t) => {
  const w = new Parameter(scalar(0.5));
  const h = exp(w.value);
  backward(checkpoint((x: Tensor) => mul(sin(h), mul(x, w.value)), h)); // h is given and captured
  const expected = grad((w: Tensor) => mul(sin(exp(w)), mul(exp(w), w)))(scalar(0.5)).item();
  t.ok(Math.abs(w.grad!.item() - expected) < 1e-15);

  const x = variable(scalar(3));
  t.equal(
    grad(
      checkpoint((a: Tensor, b: Tensor) => mul(a, b), x, x),
      [x],
    )[0]!.item(),
    6,
  );
  t.equal(
    grad(
      checkpoint((a: Tensor) => a, x),
      [x],
    )[0]!.item(),
    1,
  );
  t.equal(
    grad(
      checkpoint(() => x),
      [x],
    )[0]!.item(),
    1,
  );
  t.equal(checkpoint((a: Tensor) => mul(a, 2), scalar(1)).origin, null, "constants make no graph");
  const unused = new Parameter(scalar(1));
  backward(
    checkpoint(
      (a: Tensor) =>
        add(
          mul(a, w.value),
          noGrad(() => exp(unused.value)),
        ),
      scalar(2),
    ),
  );
  t.equal(unused.grad, null);
});

t.test("checkpoint: int32 inputs pass through", async (t) => {
  const x = variable(draw([2]));
  const y = checkpoint((x: Tensor, i: Tensor) => mul(x, i.dataSync()[0]!), x, ints([3]));
  t.same(values(grad(sum(y), [x])[0]!), [3, 3]);
});

t.test("checkpoint: random draws are repeated, and the stream goes on", async (t) => {
  const run = (wrap: (f: (x: Tensor) => Tensor, x: Tensor) => Tensor) => {
    const rng = new Rng("stream");
    const x = variable(draw([40]));
    const layer = (x: Tensor) => mul(dropout(x, 0.5, rng), rng.normal());
    const y = wrap(layer, wrap(layer, x)).keep();
    rng.uniform(); // what is drawn in between changes nothing
    const gradient = grad(sum(y), [x])[0]!;
    return [values(y), values(gradient), rng.uniform()];
  };
  t.same(
    run((f, x) => checkpoint(f, x)),
    run((f, x) => f(x)),
  );
});

t.test("checkpoint: derivatives of every order", async (t) => {
  const w = variable(draw([3], "w"));
  const f = (x: Tensor) => mul(sin(x), square(w));
  checkGrads(t, (x: Tensor) => checkpoint(f, x), [draw([3])]);
  checkGrads(t, (x: Tensor, w: Tensor) => checkpoint((x: Tensor) => mul(sin(x), square(w)), x), [draw([3]), w]);
  const third = grad(grad(grad((x: Tensor) => checkpoint((x: Tensor) => mul(x, square(x)), x))));
  t.equal(third(scalar(2)).item(), 6);
});

t.test("checkpoint: nested, with hooks inside and outside", async (t) => {
  const rng = new Rng(5);
  const w = new Parameter(scalar(0.7));
  const inner = (x: Tensor) => mul(dropout(mul(x, w.value), 0.5, rng), sin(x));
  const outer = (x: Tensor) => checkpoint(inner, checkpoint(inner, x));
  const run = (f: (x: Tensor) => Tensor, g: (x: Tensor) => Tensor) => {
    rng.state = new Rng(5).state;
    w.grad = null;
    const x = variable(scalar(1.3));
    let seen = 0;
    const remove = onGrad(w.value, (grad) => {
      seen++;
      return mul(grad, 2);
    });
    const loss = add(f(x), g(x));
    backward(loss);
    remove();
    t.equal(seen, 1, "a captured tensor's hook sees the whole gradient, not a share");
    return w.grad!.item();
  };
  const plain = (x: Tensor) => inner(inner(x));
  const expected = run(plain, plain);
  const actual = run((x) => checkpoint(outer, x), outer);
  t.ok(expected !== 0 && Math.abs(actual - expected) < 1e-15);
});

t.test("checkpoint: under noGrad it is a call", async (t) => {
  const w = new Parameter(scalar(2));
  t.equal(noGrad(() => checkpoint((x: Tensor) => mul(x, w.value), scalar(3))).item(), 6);
});

t.test("checkpoint: a function that changes in between is an error, not another gradient", async (t) => {
  const w = new Parameter(scalar(2));
  const y = checkpoint((x: Tensor) => mul(x, w.value), variable(scalar(3)));
  w.value = scalar(5);
  t.throws(() => backward(y), {
    name: "GradientError",
    message: /checkpoint: .*used another tensor than before \(the result of parameter, \[\]\); was a parameter changed/,
  });
  let size = 2;
  const x = variable(draw([4]));
  const z = checkpoint((x: Tensor) => sum(mul(x, x), size-- > 1 ? [] : 0), x);
  t.throws(() => grad(sum(z), [x]), { message: /checkpoint: computed again .*another shape: \[\] and \[4\]/ });
  t.throws(() => checkpoint((x: Tensor) => [x] as unknown as Tensor, x), {
    message: /checkpoint: the function answers an array, not one tensor/,
  });
  const late = (async (x: Tensor) => x) as unknown as (x: Tensor) => Tensor;
  t.throws(() => checkpoint(late, x), { message: /answers a promise/ });
});

t.test("checkpoint: a deep chain needs less memory at its peak", async (t) => {
  const [depth, width, rows, group] = [48, 64, 256, 6];
  const place = { device: "wasm" } as const;
  const weights = Array.from(
    { length: depth },
    (_, i) => new Parameter(randn([width, width], new Rng(i), { ...place, std: width ** -0.5 })),
  );
  const block = (from: number) => (x: Tensor) =>
    weights.slice(from, from + group).reduce((h, w) => tanh(linear(h, w.value)), x);

  const run = (call: (f: (x: Tensor) => Tensor, x: Tensor) => Tensor) => {
    for (const w of weights) w.grad = null;
    const { result: gradients, peak } = peakMemory(() =>
      scope(() => {
        let h = randn([rows, width], new Rng("x"), place);
        for (let from = 0; from < depth; from += group) h = call(block(from), h);
        backward(sum(square(h)));
        return weights.map((w) => Array.from(w.grad!.dataSync()));
      }),
    );
    return { gradients, peak };
  };
  const plain = run((f, x) => f(x));
  const saving = run((f, x) => checkpoint(f, x));
  t.same(saving.gradients, plain.gradients, "the same gradients, bit for bit");
  const ratio = saving.peak / plain.peak;
  t.comment(`peak ${saving.peak} bytes against ${plain.peak}: ${ratio.toFixed(2)} of the memory`);
  t.ok(ratio < 0.5);
});

/** The most bytes that were in use on `wasm` at once, beyond those before. */
function peakMemory<T>(body: () => T): { result: T; peak: number } {
  const backend = getBackend("wasm");
  const { allocate } = backend;
  const before = wasmMemory().used;
  let peak = 0;
  backend.allocate = (dtype, size) => {
    const storage = allocate.call(backend, dtype, size);
    peak = Math.max(peak, wasmMemory().used - before);
    return storage;
  };
  try {
    return { result: body(), peak };
  } finally {
    backend.allocate = allocate;
  }
}
