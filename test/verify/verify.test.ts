import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors } from "../../src/data/safetensors.ts";
import { loadGpu } from "../../src/tensor/devices.ts";
import { compare, isSame } from "../../src/train/verify/comparison.ts";
import { GoldenCase } from "../../src/train/verify/golden-case.ts";
import { verifyFolder } from "../../src/train/verify/verify.ts";

/** Recorded by running the original implementation; each file says how. */
const golden = fileURLToPath(new URL("../golden", import.meta.url));
const compared: Record<string, number> = {
  forward_a: 24,
  forward_b: 21,
  forward_c: 21,
  forward_hole: 18,
  layers_f64: 153,
  losses_irtr: 68,
  losses_mpp: 75,
  losses_nlvr2: 82,
  losses_pretrain_a: 124,
  losses_pretrain_b: 124,
  losses_vqa: 76,
  lr_schedules: 5,
  metrics: 24,
  optimizers: 131,
  param_groups: 16,
  pos_embed: 57,
  randaug: 187,
  resize: 86,
  train_trajectory: 78,
  vilt_b32_parameters: 8,
  vqa_answers: 51,
  whole_word_mask: 172,
  wordpiece: 98,
  wpa_ipot: 32,
};
const exact = { device: "cpu", dtype: "float64" } as const;

/** A folder with copies of the named cases. */
function folderWith(t: { testdir(): string }, ...names: string[]): string {
  const folder = t.testdir();
  for (const name of names)
    for (const ending of ["json", "safetensors"])
      if (existsSync(path.join(golden, `${name}.${ending}`)))
        cpSync(path.join(golden, `${name}.${ending}`), path.join(folder, `${name}.${ending}`));
  return folder;
}

/** Changes the tensors of a copied case. */
function edit(folder: string, name: string, change: (tensors: Map<string, SafetensorsEntry>) => void): void {
  const file = path.join(folder, `${name}.safetensors`);
  const tensors = parseSafetensors(new Uint8Array(readFileSync(file)), file);
  change(tensors);
  writeFileSync(file, serializeSafetensors(tensors));
}

const inFloat32 = ["wasm", await loadGpu("webasm")].map((device) => ({ device, dtype: "float32" as const }));
for (const underTest of [exact, ...inFloat32])
  t.test(`every recorded value agrees on ${underTest.device} in ${underTest.dtype}`, async (t) => {
    const results = await verifyFolder(folderWith(t, ...Object.keys(compared)), underTest);
    for (const { case: name, status, failures, ...rest } of results) {
      t.equal(status, "pass", `${name}: ${failures.join("; ")}`);
      t.equal(rest.compared, compared[name], `${name}: all that is recorded is compared`);
      t.ok(rest.largestError <= rest.tolerance && rest.tolerance < 0.1, name);
    }
    t.equal(results.length, Object.keys(compared).length);
  });

t.test("one changed value fails, and is named", async (t) => {
  const folder = folderWith(t, "losses_pretrain_b", "forward_hole", "pos_embed");
  const nudge = (name: string, tensor: string, by: number) =>
    edit(folder, name, (tensors) => {
      tensors.get(tensor)!.data[1]! += by;
    });
  nudge("losses_pretrain_b", "grad64/transformer.blocks.0.attn.qkv.weight", 1e-7);
  nudge("forward_hole", "mid/valid_hw", 1);
  nudge("pos_embed", "src6/to_4x5/out", 1e-10);
  const results = await verifyFolder(folder, exact);
  t.same(
    results.map(({ case: name, status, worst, failures }) => [name, status, worst, failures.length]),
    [
      ["forward_hole", "fail", "mid/valid_hw", 1],
      ["losses_pretrain_b", "fail", "grad64/transformer.blocks.0.attn.qkv.weight", 1],
      ["pos_embed", "fail", "src6/to_4x5/out", 1],
    ],
  );
});

t.test("records of plain data are compared too", async (t) => {
  const folder = folderWith(t, "wordpiece", "whole_word_mask");
  const change = (name: string, pattern: RegExp, by: string) => {
    const file = path.join(folder, `${name}.json`);
    const text = readFileSync(file, "utf8");
    t.match(text, pattern);
    writeFileSync(file, text.replace(pattern, by));
  };
  change("wordpiece", /"tokens": \[\s*"the"/, '"tokens": ["cat"');
  change("whole_word_mask", /"num_to_predict": 1/, '"num_to_predict": 2');
  const [masks, pieces] = await verifyFolder(folder, exact);
  t.match(masks, { status: "fail", failures: [/^plain, 0\.15, order .*: how many: computed 1, recorded 2$/] });
  t.match(pieces, { status: "fail", failures: [/^tokens of "The unaffable giraffe": computed \["the",/] });
});

t.test("what is recorded but not computed is a failure; what cannot be run is an error, not a pass", async (t) => {
  const folder = folderWith(t, "forward_c", "forward_b", "forward_hole");
  edit(folder, "forward_c", (tensors) =>
    tensors.set("out/extra", { dtype: "F32", shape: [1], data: Float32Array.of(0) }),
  );
  edit(folder, "forward_b", (tensors) => tensors.delete("weight/pooler.dense.bias"));
  const file = path.join(folder, "forward_hole.safetensors");
  writeFileSync(file, readFileSync(file).subarray(0, 5000));
  const write = (name: string, json: unknown) => writeFileSync(path.join(folder, name), JSON.stringify(json));
  write("strange.json", { kind: "constructor" });
  write("settings.json", { no: "kind" });
  write("odd.json", { kind: 3 });
  writeFileSync(path.join(folder, "broken.json"), "{");
  const results = await verifyFolder(folder, exact);
  const line = (name: string) => results.find((result) => result.case === name)!;
  t.same(line("forward_c").failures, ["out/extra: recorded but not computed"]);
  t.equal(line("forward_c").status, "fail");
  t.match(line("forward_b"), { status: "error", failures: ["forward_b: missing pooler.dense.bias [24]"] });
  t.match(line("forward_hole"), { status: "error", failures: [/is the file truncated/] });
  t.match(line("strange"), { status: "error", failures: [/unknown kind "constructor"; known are vilt_forward/] });
  t.match(line("broken"), { status: "error", kind: "unreadable" });
  t.match(line("odd"), { status: "error", failures: [/odd\.json: .*kind/] }, "whatever states a kind is a case");
  t.equal(line("settings"), undefined, "a JSON file without a kind is no case");
  const empty = path.join(folder, "empty");
  mkdirSync(empty);
  await t.rejects(verifyFolder(empty, exact), { message: /no JSON file that states a kind/ });
  await t.rejects(verifyFolder(path.join(folder, "none"), exact), { message: /no such folder/ });
});

t.test("comparison: NaN is wrong, shapes must agree, integers are exact", async (t) => {
  const recorded = new Map<string, SafetensorsEntry>([
    ["f", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }],
    ["i", { dtype: "I32", shape: [1], data: Int32Array.of(1000) }],
  ]);
  const one = new GoldenCase("one", { kind: "k", tolerances: {} }, recorded);
  const tolerance = { atol: 1, rtol: 0.1 };
  const of = (f: number[], i: number[]) =>
    compare(one, {
      claims: [
        { name: "f", value: { shape: [f.length], data: f }, tolerance },
        { name: "i", value: { shape: [1], data: i }, tolerance },
      ],
    });
  t.same((await of([1.5, 2.5], [1000])).failures, []);
  t.match((await of([1, Number.NaN], [1000])).failures, [/^f: differs by NaN at element 1/]);
  t.match((await of([1, 2, 3], [1000])).failures, ["f: computed [3], recorded [2]"]);
  t.match((await of([1, 2], [1001])).failures, [/^i: differs by 1\.00e\+0 at element 0, 0\.00e\+0 is allowed/]);
  t.same((await compare(one, { claims: [], inputs: ["f", "i"] })).failures, ["nothing was compared"]);
});

t.test("plain data is the same only to the last bit and key", async (t) => {
  t.ok(isSame({ a: [1, Number.NaN, "x"], b: null }, { b: null, a: [1, Number.NaN, "x"] }));
  for (const [a, b] of [
    [[Number.NaN], [null]],
    [[0], [-0]],
    [
      [1, 2],
      [2, 1],
    ],
    [{ a: 1 }, { a: 1, b: undefined }],
    [Int32Array.of(1), [1]],
    [{ 0: 1 }, [1]],
  ])
    t.notOk(isSame(a, b));
});
