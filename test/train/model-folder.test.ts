import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import "../../src/tensor/devices.ts";
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors } from "../../src/data/safetensors.ts";
import { SafetensorsFile } from "../../src/data/safetensors-file.ts";
import { isModelFolder, openModelFolder, writeModelFolder } from "../../src/train/model-folder.ts";
import { verifyFolder } from "../../src/train/verify/verify.ts";
import { taskOf } from "../../src/vilt/huggingface.ts";
import { ViltForMaskedLanguageModeling } from "../../src/vilt/masked-language-modeling.ts";

/** Written by Hugging Face Transformers, with what it computes from them; see the README there. */
const golden = fileURLToPath(new URL("../golden-hf", import.meta.url));
const folders = readdirSync(golden).filter((name) => existsSync(path.join(golden, name, "config.json")));

function copyOf(t: { testdir(): string }, name: string): string {
  const folder = t.testdir();
  cpSync(path.join(golden, name), folder, { recursive: true });
  return folder;
}

function tensorsIn(folder: string): Map<string, SafetensorsEntry> {
  const file = path.join(folder, "model.safetensors");
  return parseSafetensors(readFileSync(file), file);
}

for (const underTest of [
  { device: "cpu", dtype: "float64" },
  { device: "wasm", dtype: "float32" },
] as const)
  t.test(`folders of the library give its results on ${underTest.device}`, async (t) => {
    const results = await verifyFolder(golden, underTest);
    t.equal(results.length, folders.length + 1, "all of them, and the image processor");
    for (const { case: name, status, failures } of results) t.equal(status, "pass", `${name}: ${failures.join("; ")}`);
    const [one] = await verifyFolder(path.join(golden, "base_a"), underTest);
    t.match(one, { case: "base_a", status: "pass", compared: 2 }, "a folder by itself");
  });

t.test("what is written is what was read, tensor by tensor, and gives the same results", async (t) => {
  for (const name of folders) {
    const { model, labels, task } = await openModelFolder(path.join(golden, name));
    t.equal(task, taskOf(model));
    const written = t.testdir();
    writeModelFolder(written, model, { labels });
    t.ok(isModelFolder(written));
    const [before, after] = [tensorsIn(path.join(golden, name)), tensorsIn(written)];
    t.strictSame([...after.keys()].sort(), [...before.keys()].sort(), `${name}: the same names`);
    for (const [tensor, { shape, data }] of before) {
      t.strictSame(after.get(tensor)!.shape, shape, tensor);
      t.ok(
        Buffer.from(data.buffer).equals(Buffer.from(after.get(tensor)!.data.slice().buffer)) ||
          sameValues(data, after.get(tensor)!.data),
        tensor,
      );
    }
    cpSync(path.join(golden, name, "expected.safetensors"), path.join(written, "expected.safetensors"));
    const [result] = await verifyFolder(written, { device: "wasm", dtype: "float32" });
    t.equal(result!.status, "pass", `${name}: ${result!.failures.join("; ")}`);
    const config = JSON.parse(readFileSync(path.join(written, "config.json"), "utf8")) as Record<string, unknown>;
    const original = JSON.parse(readFileSync(path.join(golden, name, "config.json"), "utf8")) as Record<
      string,
      unknown
    >;
    for (const key of [
      "architectures",
      "hidden_size",
      "intermediate_size",
      "layer_norm_eps",
      "num_images",
      "vocab_size",
      "id2label",
    ])
      t.strictSame(config[key], original[key], `${name}: ${key}`);
  }
});

const sameValues = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));

t.test("tied and untied decoders, a backbone inside another model, and an old file's extra tensors", async (t) => {
  const folder = copyOf(t, "masked_lm_a");
  const tied = await openModelFolder(folder);
  t.ok(tied.model instanceof ViltForMaskedLanguageModeling && tied.model.config.tieWordEmbeddings);
  const tensors = tensorsIn(folder);
  const table = tensors.get("vilt.embeddings.text_embeddings.word_embeddings.weight")!;
  tensors.set("mlm_score.decoder.weight", { ...table, data: table.data.slice() });
  tensors.set("mlm_score.bias", tensors.get("mlm_score.decoder.bias")!);
  tensors.delete("mlm_score.decoder.bias");
  const positions = { dtype: "I64", shape: [1, 14], data: Int32Array.from({ length: 14 }, (_, i) => i) } as const;
  tensors.set("vilt.embeddings.text_embeddings.position_ids", positions);
  writeFileSync(path.join(folder, "model.safetensors"), serializeSafetensors(tensors));
  const untied = await openModelFolder(folder);
  t.equal(untied.model.config.tieWordEmbeddings, false);
  t.equal(untied.model.countParameters(), tied.model.countParameters() + 90 * 48);
  const [result] = await verifyFolder(folder, { device: "wasm", dtype: "float32" });
  t.equal(result!.status, "pass");
});

t.test("folders that cannot be used: one line that names the file and every tensor", async (t) => {
  const refuse = async (change: (folder: string) => void, message: RegExp) => {
    const folder = copyOf(t, "retrieval_a");
    change(folder);
    await t.rejects(openModelFolder(folder), { name: /DataError|ConfigError/, message });
  };
  const edit = (folder: string, by: (tensors: Map<string, SafetensorsEntry>) => void) => {
    const tensors = tensorsIn(folder);
    by(tensors);
    writeFileSync(path.join(folder, "model.safetensors"), serializeSafetensors(tensors));
  };
  await refuse(
    (folder) =>
      edit(folder, (tensors) => {
        tensors.delete("vilt.pooler.dense.bias");
        tensors.delete("vilt.encoder.layer.1.attention.attention.key.weight");
        tensors.set("vilt.stranger", { dtype: "F32", shape: [1], data: Float32Array.of(1) });
      }),
    /model\.safetensors: missing vilt\.encoder\.layer\.1\.attention\.attention\.key\.weight \[48, 48\]; missing vilt\.pooler\.dense\.bias \[48\]; unexpected vilt\.stranger \[1\]$/,
  );
  await refuse(
    (folder) => edit(folder, (tensors) => tensors.get("rank_output.weight")!.data.fill(Number.NaN)),
    /rank_output\.weight holds NaN at element 0/,
  );
  const config = (folder: string, by: object) => {
    const file = path.join(folder, "config.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...by }));
  };
  await refuse((folder) => config(folder, { hidden_size: "48" }), /config\.json: .*hidden_size/);
  await refuse((folder) => config(folder, { model_type: "bert" }), /config\.json: .*model_type/);
  await refuse(
    (folder) => config(folder, { hidden_size: 40 }),
    /model\.safetensors: .* is \[1, 1, 48\], not \[1, 1, 40\]/,
  );
  await refuse(
    (folder) => config(folder, { num_attention_heads: 5 }),
    /config\.json: numHeads: must divide hiddenSize/,
  );
  await refuse((folder) => writeFileSync(path.join(folder, "config.json"), "{"), /config\.json: not JSON/);
  await refuse(
    (folder) => writeFileSync(path.join(folder, "preprocessor_config.json"), '{"resample": 2}'),
    /preprocessor_config\.json: .*resample/,
  );
  await t.rejects(openModelFolder(t.testdir()), { message: /config\.json: no such file/ });
});

t.test("a file is read tensor by tensor", async (t) => {
  const file = new SafetensorsFile(path.join(golden, "base_a", "model.safetensors"));
  const expected = tensorsIn(path.join(golden, "base_a"));
  t.strictSame([...file.tensors.keys()], [...expected.keys()]);
  for (const [name, { data }] of file.tensors) t.ok(sameValues(data, expected.get(name)!.data), name);
  t.equal(file.metadata.get("format"), "pt");
  file.close();
  t.throws(() => file.tensors.get("pooler.dense.bias")!.data, { code: "EBADF" }, "a closed file");
  t.throws(() => new SafetensorsFile(path.join(golden, "none")), { message: /none: cannot be read/ });
  const short = path.join(t.testdir({ short: "1234" }), "short");
  t.throws(() => new SafetensorsFile(short), { message: /4 bytes, a header length alone takes 8/ });
});
