import { readFileSync } from "node:fs";
import t from "tap";
import ts from "typescript";
import { defineFunction } from "../../src/autograd/define-function.ts";
import { grad } from "../../src/autograd/grad.ts";
import { formatGradcheck, gradcheck } from "../../src/autograd/gradcheck.ts";
import { isTracked, variable } from "../../src/autograd/graph.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { cos, sin } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, uniform } from "../../src/tensor/create.ts";
import { isFloat, toTypedArray } from "../../src/tensor/dtype.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { devices } from "./devices.ts";
import { difference, forAll, type Sample, type Tolerance } from "./harness.ts";
import type { Call, Row } from "./operations/cases.ts";
import { rows } from "./operations/rows.ts";

/** What a device in float32 may differ by from `cpu` in float64 where a row does not say otherwise. */
const TOLERANCE: Tolerance = { relative: 1e-5, absolute: 2e-5 };
/** Calls drawn for each operation. */
const CALLS = 25;

/** What `operations` of src/browser.ts export that is not an operation on tensors. */
const notOperations: readonly string[] = [];

/** Names that src/browser.ts exports from the folders of operations. */
function publicOperations(): string[] {
  const file = new URL("../../src/browser.ts", import.meta.url);
  const { statements } = ts.createSourceFile("browser.ts", readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
  return statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.isTypeOnly) return [];
    const { moduleSpecifier: from, exportClause: names } = statement;
    if (!from || !ts.isStringLiteral(from) || !/^\.\/autograd\/(ops|functions)\//.test(from.text)) return [];
    if (!names || !ts.isNamedExports(names)) return [];
    return names.elements.filter(({ isTypeOnly }) => !isTypeOnly).map(({ name }) => name.text);
  });
}

t.test("every public operation has a row", async (t) => {
  const names = publicOperations();
  t.ok(names.length > 60, "the operations were found");
  for (const name of names) t.ok(name in rows || notOperations.includes(name), `${name} has a row`);
  for (const name of [...Object.keys(rows), ...notOperations]) t.ok(names.includes(name), `${name} is public`);
});

t.test("the check fails for a wrong pull-back, a wrong value and a wrong gradient of a device", async (t) => {
  const isExact = (x: Tensor) => x.dtype === "float64";
  const wrongPullBack = defineFunction({ forward: sin, pullBack: ({ grad }) => [grad] });
  const wrongGradient = defineFunction({
    forward: sin,
    pullBack: ({ grad, inputs: [x] }) => [mul(grad, isExact(x) ? cos(x) : x)],
  });
  const failing = (run: (x: Tensor) => Tensor) => () => {
    check(
      "mine",
      { tolerance: { absolute: 1e-4 } },
      {
        inputs: [{ shape: [2], dtype: "float32", values: [0.25, 0.5] }],
        run,
      },
    );
  };
  t.doesNotThrow(failing(sin));
  t.throws(failing(wrongPullBack), { message: /^mine\(float32 \[2\]\) \{\}: derivative of order 1 is wrong/ });
  t.throws(
    failing((x) => (isExact(x) ? sin(x) : cos(x))),
    { message: /value on wasm: cell 0 is/ },
  );
  t.throws(failing(wrongGradient), { message: /gradient 0 on wasm: cell 0 is/ });
});

for (const [name, row] of Object.entries(rows)) {
  t.test(`${name}: derivatives to second order; value and gradient on every device`, async () => {
    forAll(row.calls, (call) => scope(() => check(name, row, call)), CALLS);
  });
}

/** Throws unless the derivatives are right and the devices agree. */
function check(name: string, row: Omit<Row, "calls">, call: Call): void {
  const fail = (what: string) => {
    const operands = call.inputs.map(({ shape, dtype }) => `${dtype} [${shape.join(", ")}]`).join(", ");
    throw new Error(`${name}(${operands}) ${JSON.stringify(call.options ?? {})}: ${what}`);
  };
  const exact = call.inputs.map((input) => place(input, "cpu"));
  const y = call.run(...exact);
  const hasGradient = !row.noGradient && isFloat(y.dtype) && exact.some((x) => isFloat(x.dtype));
  if (hasGradient) {
    const result = gradcheck(call.run, exact, { order: 2, directions: 1 });
    if (!result.ok) fail(formatGradcheck(result));
  }
  const expected = valueAndGradients(call, exact, hasGradient);
  for (const device of devices) {
    const inputs = call.inputs.map((input) => place(input, device));
    valueAndGradients(call, inputs, hasGradient).forEach((actual, i) => {
      const what = i === 0 ? "value" : `gradient ${i - 1}`;
      if (actual.shape.join() !== expected[i]!.shape.join())
        fail(`${what} on ${device} is [${actual.shape.join(", ")}], not [${expected[i]!.shape.join(", ")}]`);
      const found = difference(actual.dataSync(), expected[i]!.dataSync(), row.tolerance ?? TOLERANCE);
      if (found) fail(`${what} on ${device}: ${found}`);
    });
  }
}

/** The drawn numbers, in float64 on `cpu`, else in float32. */
function place({ shape, dtype, values }: Sample, device: string): Tensor {
  const held = dtype === "float32" && device === "cpu" ? "float64" : dtype;
  return fromArray(toTypedArray(values, held), shape, { device });
}

/** The result, and the gradient of each float input for a random seed that is the same on every device. */
function valueAndGradients({ run }: Call, inputs: readonly Tensor[], hasGradient: boolean): Tensor[] {
  const xs = inputs.map((x) => (hasGradient && isFloat(x.dtype) ? variable(x) : x));
  const y = run(...xs);
  if (!hasGradient || !isTracked(y)) return [y];
  const drawn = uniform(y.shape, new Rng("seed"), { low: -1, high: 1, device: "cpu" }); // float32
  const seed = fromArray(drawn.dataSync(), y.shape, { dtype: y.dtype, device: y.device });
  const wanted = xs.filter((x) => isFloat(x.dtype));
  const result = y.alias();
  return [result, ...grad(y, wanted, { seed, allowUnused: true })];
}
