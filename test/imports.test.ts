import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** What each folder may import, besides itself. Imports point one way: this table is the architecture. */
const mayImport: Record<string, readonly string[]> = {
  tensor: [],
  autograd: ["tensor"],
  nn: ["autograd", "tensor"],
  optim: ["autograd", "tensor"],
  data: ["tensor"],
  viz: ["autograd", "tensor"],
  vilt: ["nn", "autograd", "tensor"],
  train: ["vilt", "nn", "optim", "data", "viz", "autograd", "tensor"],
  cli: ["train", "vilt", "nn", "optim", "data", "viz", "autograd", "tensor"],
};

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !file.includes(`${path.sep}assembly${path.sep}`),
);

/** Relative imports of a file, as paths below `src`; those of types alone leave nothing behind at run time. */
function importsOf(file: string, { types = true } = {}): string[] {
  const all = readFileSync(path.join(source, file), "utf8");
  const text = types ? all : all.replace(/^import type [^;]+;/gm, "");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1]!);
  return specifiers.map((specifier) => path.normalize(path.join(path.dirname(file), specifier)));
}

t.test("imports point one way between the folders of src", async (t) => {
  t.ok(files.length > 50, "the sources were found");
  const folderOf = (file: string) => file.split(path.sep)[0]!;
  for (const file of files.filter((file) => file.includes(path.sep))) {
    const folder = folderOf(file);
    t.ok(folder in mayImport, `${folder} is a known folder`);
    for (const imported of importsOf(file))
      if (folderOf(imported) !== folder && !mayImport[folder]!.includes(folderOf(imported)))
        t.fail(`src/${file} imports ${imported}: ${folder} may not import ${folderOf(imported)}`);
  }
});

t.test("no cycles between files", async (t) => {
  const state = new Map<string, "open" | "done">();
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      t.fail(`imports in a circle: ${[...trail.slice(trail.indexOf(file)), file].join(" → ")}`);
      return;
    }
    state.set(file, "open");
    for (const imported of importsOf(file, { types: false }))
      if (files.includes(imported)) visit(imported, [...trail, file]);
    state.set(file, "done");
  };
  for (const file of files) visit(file, []);
  t.equal(state.size, files.length);
});
