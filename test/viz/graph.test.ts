import t from "tap";
import "../../src/tensor/devices.ts";
import { backward } from "../../src/autograd/grad.ts";
import { variable } from "../../src/autograd/graph.ts";
import { add, mul } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { tanh } from "../../src/autograd/ops/transcendental.ts";
import { Linear } from "../../src/nn/linear.ts";
import { ones, tensor, zeros } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { draw } from "../../src/viz/graph.ts";
import { svgToPng } from "../../src/viz/png.ts";

/** Labels of the boxes in the text for Graphviz, by their first line. */
function labelsOf(dot: string): Map<string, string[]> {
  const labels = [...dot.matchAll(/n\d+ \[label="((?:[^"\\]|\\.)*)"/g)].map(([, label]) => label!.split("\\n"));
  return new Map(labels.map(([title, ...lines]) => [title!, lines]));
}

t.test("draw: operations, parameters with names, variables, constants; values and gradients", async (t) => {
  const layer = new Linear(3, 2, { rng: new Rng(1) });
  const x = variable(tensor([[1, 2, 3]]));
  const y = sum(mul(tanh(layer.forward(x)), 2));
  const { dot, svg } = draw(y, { model: layer });
  const labels = labelsOf(dot);
  t.same([...labels.keys()].sort(), ["bias", "constant", "linear", "mul", "sum", "tanh", "variable", "weight"]);
  t.same(labels.get("variable"), ["[1, 3] float32", "= 1, 2, 3", "grad not computed yet"]);
  t.same(labels.get("bias"), ["[2] float32", "= 0, 0", "grad not computed yet"]);
  t.same(labels.get("constant"), ["[] float32", "= 2"]);
  t.match(labels.get("weight")![1], /^−?[\d.e−]+ … [\d.e−]+, mean /, "of many values the range");
  t.match(svg, /^<svg [\s\S]*<\/svg>$/);
  for (const name of labels.keys()) t.ok(svg.includes(`>${name}</text>`), name);
  t.equal((svg.match(/marker-end/g) ?? []).length, 7, "one line for each operand");
  t.same([...Buffer.from(svgToPng(svg).subarray(1, 4)).toString()].join(""), "PNG");

  const computed = labelsOf(draw(y, { model: layer, gradients: true }).dot);
  t.equal(computed.get("sum")![2], "grad = 1");
  t.equal(computed.get("mul")![2], "grad = 1, 1");
  t.match(computed.get("variable")![2], /^grad = /);
  backward(y, { retainGraph: true });
  const known = labelsOf(draw(y, { model: layer }).dot);
  t.equal(known.get("bias")![2], computed.get("bias")![2], "what backward() left in the parameter");
  t.equal(known.get("tanh")![2], "grad not computed yet");
});

t.test("draw: what was released says so", async (t) => {
  const x = variable(ones([2]));
  const inner = tanh(x);
  const y = sum(inner);
  inner.release("my hand");
  t.same(labelsOf(draw(y).dot).get("tanh"), ["[2] float32", "released by my hand", "grad not computed yet"]);
  const layer = new Linear(2, 1, { rng: null });
  const loss = sum(layer.forward(ones([1, 2])));
  backward(loss);
  t.same(labelsOf(draw(loss).dot).get("sum"), ["[] float32", "= 0", "its graph was released by backward()"]);
  t.throws(() => draw(loss, { gradients: true }), { name: "GradientError" });
  t.match(labelsOf(draw(zeros([2], { device: "meta" })).dot).get("constant"), [
    "[2] float32",
    "values on meta are not read",
  ]);
});

t.test("draw: several results, one tensor twice, and a graph that is too large", async (t) => {
  const x = variable(ones([1]));
  let y = mul(x, x);
  t.match(draw(y).dot, /n1 -> n0 \[headlabel="0"\];\n {2}n1 -> n0 \[headlabel="1"\]/);
  const other = tanh(x);
  t.equal(labelsOf(draw([y, other]).dot).size, 3, "they share the variable");
  t.throws(() => draw([y, other], { gradients: true }), { message: /of one tensor, not of 2; draw each by itself/ });
  for (let i = 0; i < 1000; i++) y = add(y, x);
  const { dot, svg } = draw(y, { maxOperations: 5 });
  t.same(labelsOf(dot).get("…"), ["996 earlier operations"]);
  t.equal((dot.match(/label="add/g) ?? []).length, 5);
  t.ok(svg.includes("996 earlier operations"));
  t.equal((draw(y).dot.match(/label="add/g) ?? []).length, 50, "the default");
});

t.test("draw: names that the languages of the pictures would misread", async (t) => {
  const layer = new Linear(1, 1, { rng: null, bias: false });
  const model = { namedParameters: () => new Map([['<a "b"\\>', layer.weight]]) };
  const { dot, svg } = draw(layer.forward(ones([1, 1])), { model });
  t.ok(dot.includes('label="<a \\"b\\"\\\\>'));
  t.ok(svg.includes("&#60;a &#34;b&#34;\\&#62;"));
});
