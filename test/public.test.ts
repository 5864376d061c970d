import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import ts from "typescript";
import { fusedBinary, plainBinary } from "../src/tensor/backends/wasm/binary.generated.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

const browser = await import("../src/browser.ts");
const node = await import("../src/index.ts");

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = path.join(root, "dist");

/** Statements that import or export, as the compiler reads them. */
function statementsOf(file: string): ts.Statement[] {
  const { statements } = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
  return statements.filter((statement) => ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement));
}

/** What a file imports before it runs. */
function staticImportsOf(file: string): string[] {
  return statementsOf(file).flatMap((statement) => {
    const { moduleSpecifier } = statement as ts.ImportDeclaration | ts.ExportDeclaration;
    return moduleSpecifier && ts.isStringLiteral(moduleSpecifier) ? [moduleSpecifier.text] : [];
  });
}

/** Names that a file lists in `export { … }`, without those of types. */
function exportedValuesOf(file: string): string[] {
  return statementsOf(file).flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.isTypeOnly) return [];
    if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) return [];
    return statement.exportClause.elements.filter(({ isTypeOnly }) => !isTypeOnly).map(({ name }) => name.text);
  });
}

/** What a program that imports the package sees, as JSON. */
function inNode(program: string, ...flags: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, "--input-type=module", "--eval", program], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const sorted = (names: readonly string[]) => [...names].sort();
const inBrowser = exportedValuesOf(path.join(root, "src/browser.ts"));
const inNodeOnly = exportedValuesOf(path.join(root, "src/index.ts"));

t.test("every exported name is defined, and nothing else is there", async (t) => {
  t.ok(inBrowser.length > 100 && inNodeOnly.length > 10, "the names were found");
  t.equal(new Set([...inBrowser, ...inNodeOnly]).size, inBrowser.length + inNodeOnly.length, "each once");
  t.same(sorted(Object.keys(browser)), sorted(inBrowser));
  t.same(sorted(Object.keys(node)), sorted([...inBrowser, ...inNodeOnly]));
  for (const [name, value] of Object.entries(node)) t.not(value, undefined, name);
  for (const name of inBrowser) t.equal(node[name as keyof typeof node], browser[name as keyof typeof browser], name);
});

t.test("the package by its name: for Node, and for browsers", async (t) => {
  if (!existsSync(path.join(dist, "index.js")))
    return t.fail("dist/index.js is missing: npm install or npm run build makes it");
  const program = (specifier: string) => `
    const all = await import(${JSON.stringify(specifier)});
    const { tensor, grad, Tensor } = all;
    const gradient = grad((x) => x.mul(x).sum())(tensor([1, 2, 3]));
    console.log(JSON.stringify({
      file: import.meta.resolve(${JSON.stringify(specifier)}),
      names: Object.keys(all),
      undefined: Object.keys(all).filter((name) => all[name] === undefined),
      gradient: [...gradient.dataSync()],
      isTensor: gradient instanceof Tensor,
    }));`;
  for (const [specifier, flags, file, names] of [
    ["viltgrad", [], "bundle/index.js", [...inBrowser, ...inNodeOnly]],
    ["viltgrad", ["--conditions=browser"], "browser.js", inBrowser],
    ["viltgrad/browser", [], "bundle/browser.js", inBrowser],
    ["viltgrad/browser", ["--conditions=browser"], "browser.js", inBrowser],
  ] as const) {
    const found = inNode(program(specifier), ...flags) as Record<string, unknown> & { file: string; names: string[] };
    const what = [specifier, ...flags].join(" ");
    t.equal(fileURLToPath(found.file), path.join(dist, file), what);
    t.same(sorted(found.names), sorted(names), `${what}: what src exports`);
    t.match(found, { undefined: [], gradient: [2, 4, 6], isTensor: true }, what);
  }
  const both = inNode(`
    const [a, b] = [await import("viltgrad"), await import("viltgrad/browser")];
    console.log(a.Tensor === b.Tensor);`);
  t.equal(both, true, "one library, by either name");
  for (const entry of ["index", "browser"]) t.ok(existsSync(path.join(dist, `${entry}.d.ts`)), `types of ${entry}`);
});

t.test("what a browser loads needs no Node and only these packages", async (t) => {
  const entry = path.join(dist, "browser.js");
  if (!existsSync(entry)) return t.fail("dist/browser.js is missing: npm install or npm run build makes it");
  const importedBy = new Map<string, string>();
  const files = new Set<string>([entry]);
  for (const file of files)
    for (const specifier of staticImportsOf(file)) {
      if (specifier.startsWith(".")) files.add(path.join(path.dirname(file), specifier));
      else importedBy.set(/^(@[^/]+\/)?[^/]+/.exec(specifier)![0], path.relative(dist, file));
    }
  t.ok(files.size > 80, `${files.size} files`);
  t.ok([...files].every(existsSync), "all of them are there");
  const packages = ["@dagrejs/dagre", "@huggingface/tokenizers", "ndarray", "seedrandom", "vega", "vega-lite", "zod"];
  for (const [specifier, file] of importedBy) t.ok(packages.includes(specifier), `${specifier}, imported by ${file}`);
  const { dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of importedBy.keys()) t.ok(name in dependencies, `${name} is installed with the package`);
  t.notOk(importedBy.has("sharp") || importedBy.has("@resvg/resvg-js"), "nothing native");
  t.ok(staticImportsOf(path.join(dist, "cli/progress.js")).includes("cli-progress"), "which this test would have seen");
});

t.test("the methods of a tensor are the functions of the same names", async (t) => {
  const { tensor } = browser;
  const exact = { dtype: "float64", device: "cpu" } as const;
  const [x, y] = [
    tensor(
      [
        [0.5, 2],
        [1.5, 0.25],
      ],
      exact,
    ),
    tensor(
      [
        [2, 1],
        [-1, 4],
      ],
      exact,
    ),
  ];
  const values = (z: Tensor) => [z.shape, [...z.dataSync()]];
  const unary = ["neg", "abs", "square", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "gelu", "softmax"] as const;
  for (const name of [...unary, "logSoftmax", "sum", "mean", "variance", "max", "min", "transpose"] as const)
    t.same(values(x[name]()), values(browser[name](x)), name);
  for (const name of ["add", "sub", "mul", "div", "pow", "matmul"] as const)
    t.same(values(x[name](y)), values(browser[name](x, y)), name);
  t.same(values(x.argmax(1)), [[2], [1, 0]]);
  t.same(values(x.sum(0, { keepDims: true })), [
    [1, 2],
    [2, 2.25],
  ]);
  t.same(values(x.matmul(y, { transposeB: true })), [
    [2, 2],
    [3, 7.5, 3.25, -0.5],
  ]);
  t.same(values(x.reshape([4]).slice(0, 1, 4, 2)), [[2], [2, 0.25]]);
  t.same(values(x.permute([1, 0])), [
    [2, 2],
    [0.5, 1.5, 2, 0.25],
  ]);
  t.equal(x.cast("float32").dtype, "float32");
  t.same(Object.keys(browser.Tensor.prototype), [], "methods are not listed among a tensor's own fields");

  const w = new browser.Parameter(x);
  const loss = w.value.mul(y).square().mean();
  t.equal(loss.item(), (1 + 4 + 2.25 + 1) / 4);
  loss.backward();
  t.same(values(w.grad!), [
    [2, 2],
    [1, 1, 0.75, 2],
  ]); // x y² / 2
  t.equal(w.value.detach().mul(2).sum().item(), 8.5);
  t.throws(() => w.value.detach().sum().backward(), { name: "GradientError" });
});

t.test("the kernels in WebAssembly are small: every page that uses them loads them", async (t) => {
  const bytes = [fusedBinary, plainBinary].reduce((sum, text) => sum + Buffer.from(text, "base64").length, 0);
  t.ok(bytes > 0 && bytes < 80_000, `${bytes} bytes`);
});
