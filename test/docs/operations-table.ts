import fc from "fast-check";
import { grad } from "../../src/autograd/grad.ts";
import { isTracked, variable } from "../../src/autograd/graph.ts";
import { type Backend, getBackend } from "../../src/tensor/backend.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { loadGpu } from "../../src/tensor/devices.ts";
import { isFloat, toTypedArray } from "../../src/tensor/dtype.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Call, Row } from "../contract/operations/cases.ts";
import { elementwise } from "../contract/operations/elementwise.ts";
import { images } from "../contract/operations/images.ts";
import { indexing } from "../contract/operations/indexing.ts";
import { layout } from "../contract/operations/layout.ts";
import { losses } from "../contract/operations/losses.ts";
import { normalizations } from "../contract/operations/normalizations.ts";
import { products } from "../contract/operations/products.ts";
import { reductions } from "../contract/operations/reductions.ts";

const families: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  "Element by element": elementwise,
  Reductions: reductions,
  Layout: layout,
  Indexing: indexing,
  Products: products,
  Images: images,
  "Normalisations and attention": normalizations,
  Losses: losses,
};

const CALLS = 25;

/** The kernels that a device left to `cpu` in some calls, forward and backward. */
interface Answers {
  readonly forward: ReadonlySet<string>;
  /** null where there is no derivative. */
  readonly backward: ReadonlySet<string> | null;
}

/** The page that `npm run docs` writes: of every public operation, what runs where. */
export async function operationsTable(): Promise<string> {
  const devices = ["cpu", "wasm", await loadGpu("webasm")].map((name) => getBackend(name));
  const sections = Object.entries(families).map(([title, rows]) => {
    const lines = Object.entries(rows)
      .sort(([a], [b]) => a.localeCompare(b, "en"))
      .map(
        ([name, row]) =>
          `| \`${name}\` | ${devices.flatMap((device) => cellsOf(answersOf(row, device))).join(" | ")} |`,
      );
    return `## ${title}\n\n${HEADER}\n${lines.join("\n")}\n`;
  });
  return `${INTRODUCTION}\n${sections.join("\n")}`;
}

const INTRODUCTION = `# Operations and devices

Every public operation on tensors, and what computes it on each device, forward and backward (first derivative).
This page is written by \`npm run docs\`, which calls each operation ${CALLS} times; a test fails where it is stale.

- **own**: kernels of the device itself.
- **cpu: \`kernel\`**: the device has no kernel of that name; \`cpu\` answers, and \`backend.fallbacks\` counts it.
- **–**: there is nothing to differentiate: the result is whole numbers or constant.

The column gpu holds for all modes: webgpu, webgl2, headlessgl, webasm and cpu have the same kernels. Second derivatives
come from the same operations: what pulls a gradient back is made of them. The device \`meta\` computes shapes alone.
`;

const HEADER = `| operation | cpu | cpu, backward | wasm | wasm, backward | gpu | gpu, backward |
| --- | --- | --- | --- | --- | --- | --- |`;

function cellsOf({ forward, backward }: Answers): string[] {
  const cell = (left: ReadonlySet<string>) =>
    left.size === 0
      ? "own"
      : `cpu: ${[...left]
          .sort()
          .map((name) => `\`${name}\``)
          .join(", ")}`;
  return [cell(forward), backward ? cell(backward) : "–"];
}

function answersOf(row: Row, device: Backend): Answers {
  const forward = new Set<string>();
  let backward: Set<string> | null = null;
  for (const call of fc.sample(row.calls, { numRuns: CALLS, seed: 20260722 }))
    scope(() => {
      const { inputs, y } = run(call, device, forward, !row.noGradient);
      const wanted = inputs.filter(isTracked);
      if (wanted.length === 0 || !isTracked(y)) return;
      backward ??= new Set();
      watched(device, backward, () => grad(y, wanted, { seed: y.detach(), allowUnused: true }));
    });
  return { forward, backward };
}

function run(call: Call, device: Backend, left: Set<string>, isTracking: boolean) {
  const inputs = call.inputs.map(({ shape, dtype, values }) => {
    const x = fromArray(toTypedArray(values, dtype), shape, { device: device.name });
    return isTracking && isFloat(dtype) ? variable(x) : x;
  });
  return { inputs, y: watched(device, left, () => call.run(...inputs)) };
}

/** Adds the kernels that a device hands on to `cpu` meanwhile. */
function watched<T>(device: Backend, left: Set<string>, body: () => T): T {
  const before = new Map(device.fallbacks);
  const result = body();
  for (const [kernel, count] of device.fallbacks) if (count !== (before.get(kernel) ?? 0)) left.add(kernel);
  return result;
}
