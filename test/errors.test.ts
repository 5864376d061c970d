import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import ts from "typescript";
import { ViltgradError } from "../src/tensor/errors.ts";
import { derivatives } from "./errors/derivatives.ts";
import { functions } from "./errors/functions.ts";
import { gpu } from "./errors/gpu.ts";
import { models } from "./errors/models.ts";
import { operations } from "./errors/operations.ts";
import type { Row } from "./errors/row.ts";
import { tensors } from "./errors/tensors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A statement that throws: its file below `src`, its first and last line, and its text. */
interface Throw {
  readonly file: string;
  readonly first: number;
  readonly last: number;
  readonly text: string;
}

const folders = ["tensor", "autograd", "nn", "vilt"];
const files = folders.flatMap((folder) =>
  readdirSync(path.join(root, "src", folder), { recursive: true, encoding: "utf8" })
    .map((file) => path.join(folder, file))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".generated.ts"))
    .filter((file) => !file.includes(`${path.sep}assembly${path.sep}`)),
);

/** Statements that throw an error of their own; to throw another's again is not one. */
function throwsOf(file: string): Throw[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(path.join(root, "src", file), "utf8"),
    ts.ScriptTarget.Latest,
    true,
  );
  const found: Throw[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isThrowStatement(node) && !ts.isIdentifier(node.expression)) {
      const line = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
      found.push({ file, first: line(node.getStart()), last: line(node.end), text: node.getText() });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What no wrong call can bring about on a sound machine. */
const OUT_OF_REACH: readonly RegExp[] = [
  /a thread \$\{status === 1/, // a worker that dies
  /no shared memory here/, // an engine without WebAssembly threads
  /no 256 MiB of shared memory/, // a machine without memory
  /koffi is not installed/, // the tests have it
  /gpu\.js would compute elsewhere/, // our kernels take and answer what every mode has
  /the GPU of device .* was taken away/, // only in a browser: test/browser/kernels.test.ts
  /gpu\.js computes in no mode/, // its cpu mode is plain JavaScript
  /new PullBackFailure/, // gradcheck catches it and reports what it found
];

/** Lines of the library on the stack of an error, innermost first, without those that merely build it. */
function placesOf(error: Error): { file: string; line: number }[] {
  const frames = [
    ...(error.stack ?? "").matchAll(/src[/\\]((?:tensor|autograd|nn|vilt)[/\\][^:?)]+\.ts)[^:]*:(\d+):\d+/g),
  ];
  return frames.map(([, file, line]) => ({ file: path.normalize(file!), line: Number(line) }));
}

const sites = files.flatMap(throwsOf);
const reached = new Set<Throw>();

async function errorOf(call: Row[0]): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return null;
}

for (const [name, rows] of Object.entries({ tensors, operations, functions, derivatives, models, gpu }))
  t.test(`errors: ${name}`, async (t) => {
    for (const [call, message] of rows) {
      const error = await errorOf(call);
      const what = String(call).replace(/\s+/g, " ").slice(0, 100);
      if (!(error instanceof ViltgradError)) {
        t.fail(`${what} throws ${error === null ? "nothing" : String(error)}`);
        continue;
      }
      if (typeof message === "string") t.equal(error.message, message, what);
      else t.match(error.message, message, what);
      // The innermost place is the statement itself, or lies in a function that it calls to build the error.
      for (const { file, line } of placesOf(error).slice(0, 3)) {
        const site = sites.find((site) => site.file === file && site.first <= line && line <= site.last);
        if (site) reached.add(site);
        if (site) break;
      }
    }
  });

t.test("errors: the tables reach every throw of tensor, autograd, nn and vilt", async (t) => {
  t.ok(sites.length > 100, "the statements were found");
  for (const pattern of OUT_OF_REACH)
    t.ok(
      sites.some(({ text }) => pattern.test(text)),
      `${pattern} is still there`,
    );
  for (const site of sites)
    if (!reached.has(site) && !OUT_OF_REACH.some((pattern) => pattern.test(site.text)))
      t.fail(`no row reaches src/${site.file}:${site.first}: ${site.text.replace(/\s+/g, " ").slice(0, 120)}`);
});
