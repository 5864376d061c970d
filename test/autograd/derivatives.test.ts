import t from "tap";
import { hessian, hvp, jacobian, jvp, vjp } from "../../src/autograd/derivatives.ts";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { Parameter, variable } from "../../src/autograd/graph.ts";
import { add, mul, square } from "../../src/autograd/ops/arithmetic.ts";
import { reshape, select, stack } from "../../src/autograd/ops/layout.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { cos, exp, sin } from "../../src/autograd/ops/transcendental.ts";
import { deviceNames } from "../../src/tensor/backend.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const vector = (...items: number[]) => tensor(items, exact);
const column = (x: Tensor, i: number) => select(x, 0, i);
/** The largest |a − b|, the shapes being the same. */
const distance = (a: Tensor, b: Tensor) =>
  a.shape.join() === b.shape.join()
    ? Math.max(0, ...values(a).map((v, i) => Math.abs(v - values(b)[i]!)))
    : Number.POSITIVE_INFINITY;

/** Polar to Cartesian coordinates, whose derivatives are in every book. */
const cartesian = (p: Tensor) => {
  const [r, phi] = [column(p, 0), column(p, 1)];
  return stack([mul(r, cos(phi)), mul(r, sin(phi))]);
};
const [r, phi] = [2, 0.5];
const [c, s] = [Math.cos(phi), Math.sin(phi)];

t.test("jacobian and hessian: polar coordinates by hand", async (t) => {
  const J = jacobian(cartesian)(vector(r, phi));
  t.ok(
    distance(
      J,
      tensor(
        [
          [c, -r * s],
          [s, r * c],
        ],
        exact,
      ),
    ) < 1e-15,
  );
  const x = (p: Tensor) => column(cartesian(p), 0);
  const H = hessian(x)(vector(r, phi));
  t.ok(
    distance(
      H,
      tensor(
        [
          [0, -s],
          [-s, -r * c],
        ],
        exact,
      ),
    ) < 1e-15,
  );
});

t.test("jacobian: shapes with several axes, several inputs, a scalar, nothing", async (t) => {
  const [a, b] = [draw([2, 3], "a"), draw([3, 4], "b")];
  const [A, B] = jacobian((a: Tensor, b: Tensor) => matmul(a, b))(a, b);
  t.same(
    [A!.shape, B!.shape],
    [
      [2, 4, 2, 3],
      [2, 4, 3, 4],
    ],
  ); // ∂C[i, j] / ∂A[k, l] = δᵢₖ B[l, j]
  const at = (x: Tensor, ...index: number[]) => index.reduce((y, i) => select(y, 0, i), x).item();
  t.equal(at(A!, 1, 2, 1, 0), at(b, 0, 2));
  t.equal(at(A!, 1, 2, 0, 0), 0);
  t.same(jacobian((x: Tensor) => sum(x))(draw([2, 2])).shape, [2, 2]);
  t.same(jacobian((x: Tensor) => mul(x, 2))(zeros([0], exact)).shape, [0, 0]);
  t.same(values(jacobian((x: Tensor) => square(x))(tensor(3, exact))), [6]);
});

t.test("vjp: one evaluation, many seeds", async (t) => {
  let calls = 0;
  const f = (x: Tensor, y: Tensor) => {
    calls++;
    return mul(exp(x), y);
  };
  const { value, pullBack } = vjp(f, [vector(0, 1), vector(3, 4)]);
  t.same(values(value), [3, Math.E * 4]);
  t.same(pullBack(vector(1, 0)).map(values), [
    [3, 0],
    [1, 0],
  ]);
  t.same(pullBack(vector(0, 2)).map(values), [
    [0, Math.E * 8],
    [0, Math.E * 2],
  ]);
  t.equal(calls, 1);
  t.equal(value.origin, null, "constants in, constants out");
});

t.test("jvp, hvp: equal the jacobian and the hessian times v", async (t) => {
  const f = (x: Tensor) => softmax(matmul(x, x));
  const [x, v] = [draw([3, 3], "x"), draw([3, 3], "v")];
  const { value, tangent } = jvp(f, [x], [v]);
  t.ok(distance(value, f(x)) === 0);
  const J = reshape(jacobian(f)(x), [9, 9]);
  t.ok(distance(reshape(tangent, [9, 1]), matmul(J, reshape(v, [9, 1]))) < 1e-14);

  const g = (x: Tensor) => sum(mul(f(x), sin(x)));
  const H = reshape(hessian(g)(x), [9, 9]);
  t.ok(distance(H, matmul(H, tensor(identity(9), exact))) === 0);
  t.ok(symmetry(H) < 1e-14, "symmetric up to rounding");
  t.ok(distance(reshape(hvp(g)(x, v), [9, 1]), matmul(H, reshape(v, [9, 1]))) < 1e-13);

  const two = (x: Tensor, y: Tensor) => sum(mul(exp(x), square(y)));
  const [p, q] = [draw([2], "p"), draw([2], "q")];
  const blocks = hessian(two)(p, q);
  const [vp, vq] = [draw([2], "vp"), draw([2], "vq")];
  const times = (block: Tensor, v: Tensor) => reshape(matmul(block, reshape(v, [2, 1])), [2]);
  const expected = blocks.map(([left, right]) => add(times(left!, vp), times(right!, vq)));
  hvp(two)([p, q], [vp, vq]).forEach((product, k) => {
    t.ok(distance(product, expected[k]!) < 1e-14);
  });
  t.ok(distance(jvp(two, [p, q], [vp, vq]).tangent, dotAll(grad(two)(p, q) as Tensor[], [vp, vq])) < 1e-14);
});

const identity = (n: number) => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => +(i === j)));
const symmetry = (H: Tensor) => {
  const [n] = H.shape as [number];
  const v = values(H);
  return Math.max(...v.map((x, k) => Math.abs(x - v[(k % n) * n + Math.floor(k / n)]!)));
};
const dotAll = (as: Tensor[], bs: Tensor[]) => as.map((a, i) => sum(mul(a, bs[i]!))).reduce((x, y) => add(x, y));

t.test("linear functions: constant Jacobian, no curvature", async (t) => {
  const f = (x: Tensor) => sum(mul(x, 3));
  t.same(values(hessian(f)(draw([2]))), [0, 0, 0, 0]);
  t.same(values(hvp(f)(draw([2]), draw([2]))), [0, 0]);
  t.same(values(jacobian((x: Tensor) => x)(draw([2]))), [1, 0, 0, 1]);
  t.same(values(jvp((x: Tensor) => x, [vector(1)], [vector(5)]).tangent), [5]);
});

t.test("all of them can be differentiated again", async (t) => {
  const f = (x: Tensor) => mul(sin(x), square(x));
  const [x, v] = [draw([3], "x"), draw([3], "v")];
  checkGrads(t, (x: Tensor, v: Tensor) => jvp(f, [x], [v]).tangent, [x, v]);
  checkGrads(t, (x: Tensor, v: Tensor) => vjp(f, [x]).pullBack(v)[0]!, [x, v]);
  checkGrads(t, (x: Tensor) => jacobian(f)(x), [x]);
  checkGrads(t, (x: Tensor) => hessian((x: Tensor) => sum(f(x)))(x), [x]);
  checkGrads(t, (x: Tensor, v: Tensor) => hvp((x: Tensor) => sum(f(x)))(x, v), [x, v]);
  const third = jacobian((x: Tensor) => hessian((x: Tensor) => sum(mul(x, square(x))))(x))(vector(1, 2));
  t.same(third.shape, [2, 2, 2]);
  t.same(values(third), [6, 0, 0, 0, 0, 0, 0, 6]); // ∂³ Σ x³
  const cube = (x: Tensor) => mul(x, square(x));
  const tangent = (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [tensor(1, exact)]).tangent;
  t.equal(tangent(tangent(tangent(cube)))(tensor(2, exact)).item(), 6, "forward over forward over forward");
});

t.test("what f closes over: a gradient penalty, when asked for", async (t) => {
  const w = new Parameter(vector(2));
  const f = (x: Tensor) => mul(w.value, square(x));
  const { tangent } = jvp(f, [vector(3)], [vector(1)], { createGraph: true });
  t.same(values(grad(sum(tangent), [w.value])[0]!), [6]); // ∂/∂w 2 w x
  t.equal(jvp(f, [vector(3)], [vector(1)]).tangent.origin, null);
});

t.test("on every device", async (t) => {
  const f = (x: Tensor) => softmax(matmul(x, x));
  const scalar = (x: Tensor) => sum(mul(f(x), x));
  for (const device of deviceNames().filter((name) => name !== "cpu")) {
    const place = { device, dtype: "float32" } as const;
    const [x, v] = [randn([3, 3], new Rng(1), place), randn([3, 3], new Rng(2), place)];
    const answers = [jvp(f, [x], [v]).tangent, jacobian(f)(x), hessian(scalar)(x), hvp(scalar)(x, v)];
    if (device === "meta") {
      t.same(
        answers.map(({ shape }) => shape),
        [
          [3, 3],
          [3, 3, 3, 3],
          [3, 3, 3, 3],
          [3, 3],
        ],
      );
      continue;
    }
    const [X, V] = [randn([3, 3], new Rng(1), exact), randn([3, 3], new Rng(2), exact)];
    const expected = [jvp(f, [X], [V]).tangent, jacobian(f)(X), hessian(scalar)(X), hvp(scalar)(X, V)];
    answers.forEach((answer, i) => {
      t.ok(distance(answer, expected[i]!) < 2e-5, `${device}: ${["jvp", "jacobian", "hessian", "hvp"][i]}`);
    });
  }
});

t.test("errors name the function", async (t) => {
  const [x, y] = [draw([2]), draw([3])];
  const f = (x: Tensor) => square(x);
  t.throws(() => jvp(f, [x], [y]), { message: /jvp: tangent 0 does not have the shape of its input: \[3\] and \[2\]/ });
  t.throws(() => jvp(f, [x], []), { message: /jvp: 0 tangents for 1 inputs/ });
  t.throws(() => vjp(f, [x]).pullBack(y), { message: /vjp\(\): the seed's shape is not the result's/ });
  t.throws(() => hessian(f)(x), { message: /hessian\(\): the result has more than one element/ });
  t.throws(() => jacobian((x: Tensor) => square(x))(ints([1])), { message: /jacobian: input 0 is int32/ });
  t.throws(() => jacobian((a: Tensor, _b: Tensor) => a)(x, x), {
    message: /jacobian: the result does not depend on input 1/,
  });
  const [, unused] = jacobian((a: Tensor, _b: Tensor) => a, { allowUnused: true })(x, x);
  t.same(values(unused!), [0, 0, 0, 0]);
  t.throws(() => vjp((x: Tensor) => [x] as unknown as Tensor, [x]), { message: /vjp: the function answers an array/ });
  t.throws(() => vjp(() => x, []), { message: /vjp: there is no input/ });
  t.same(values(vjp((x: Tensor) => x, [variable(vector(1))]).value), [1]);
});
