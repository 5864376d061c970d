import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { parseSafetensors, parseSafetensorsHeader, serializeSafetensors } from "../../src/data/safetensors.ts";
import { SPECIAL_TOKENS } from "../../src/data/vocabulary.ts";
import { fromArray, type Placement } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { modelOf, pretrainerOf, type RunState, readCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { writeFileAtomic } from "../../src/train/files.ts";
import { Pretrainer } from "../../src/train/pretrainer.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { syntheticBatch } from "../../src/train/synthetic-batch.ts";
import { parseViltConfig } from "../../src/vilt/config.ts";
import { exact, values } from "../support.ts";

const model = parseViltConfig({
  ...{ hiddenSize: 8, numLayers: 1, numHeads: 2, vocabularySize: 9, maxTextLength: 6 },
  ...{ imageSize: [4, 4], patchSize: 2, initializer: "fanIn", dropout: 0.1 },
});
const state: Omit<RunState, "step"> = {
  ...{ preset: "toy", model, seed: 2, vocabulary: [...SPECIAL_TOKENS, "a", "b", "c", "d"] },
  wordPatchAlignment: [{ layer: "final", weight: 0.1, beta: 0.5, iterations: 5 }],
  settings: trainingSettings("toy", { steps: 9, batchSize: 2 }),
  data: { name: "emoji-scenes", truncate: false },
};
const batch = (step: number) => syntheticBatch(model, 2, new Rng(step));

/** A trainer after three steps, and the file that holds it. */
async function saved(folder: string, placement?: Placement) {
  const pretrainer = new Pretrainer({ ...state, ...(placement && { placement }) });
  for (const step of [0, 1, 2]) await pretrainer.train(batch(step));
  const file = path.join(folder, "model.safetensors");
  await saveCheckpoint(file, pretrainer, state);
  return { pretrainer, file, bytes: readFileSync(file) };
}

for (const placement of [undefined, exact])
  t.test(`what is read goes on with the same bits, in ${placement?.dtype ?? "float32"}`, async (t) => {
    const folder = t.testdir();
    const { pretrainer, file, bytes } = await saved(folder, placement);
    const checkpoint = readCheckpoint(folder);
    t.same(checkpoint.state, { ...state, step: 3 });
    const restored = pretrainerOf(checkpoint, placement);
    t.equal(restored.step, 3);
    await saveCheckpoint(file, restored, state);
    t.ok(readFileSync(file).equals(bytes), "written again, the same bytes");
    for (const step of [3, 4]) t.strictSame(await restored.train(batch(step)), await pretrainer.train(batch(step)));
    for (const [name, moment] of pretrainer.optimizer.moments()) {
      t.strictSame(values(new Map(restored.optimizer.moments()).get(name)!), values(moment), name);
      t.ok(
        values(moment).some((value) => value !== 0),
        `${name} is in use`,
      );
    }
    const judged = modelOf(checkpoint, placement);
    t.strictSame(
      [...judged.model.namedParameters()].map(([name, { value }]) => [name, value.dtype]),
      [...pretrainer.model.namedParameters()].map(([name, { value }]) => [name, value.dtype]),
    );
    t.equal(judged.tokenizer.maskId, 4);
    t.strictSame(readdirSync(folder), ["model.safetensors"]);
  });

t.test("a file that was cut short anywhere, or has another header, is refused by name", async (t) => {
  const folder = t.testdir();
  const { file, bytes } = await saved(folder);
  const refuse = (content: Uint8Array, message: RegExp, name = "DataError") => {
    const copy = path.join(folder, "other.safetensors");
    writeFileSync(copy, content);
    const error = t.throws(() => pretrainerOf(readCheckpoint(copy)), { name, message }) as Error;
    t.ok(error.message.startsWith(`${copy}: `), error.message);
    t.ok(readFileSync(copy).equals(content), "the file is as it was");
  };
  const headerLength = bytes.readUInt32LE(0);
  for (const length of [0, 7]) refuse(bytes.subarray(0, length), /not a safetensors file: \d bytes/);
  for (const length of [8, 9, 100, 8 + headerLength - 1])
    refuse(bytes.subarray(0, length), new RegExp(`a header of ${headerLength} bytes in a file of ${length}$`));
  for (const length of [8 + headerLength, Math.floor(0.7 * bytes.length), bytes.length - 1])
    refuse(bytes.subarray(0, length), /tensor (model|optimizer)\/[\w.]+: .* is the file truncated\?$/);
  refuse(Buffer.concat([bytes, Buffer.alloc(4)]), /bytes \d+ to \d+ belong to no tensor/);
  const withLength = (length: bigint) => {
    const changed = Buffer.from(bytes);
    changed.writeBigUInt64LE(length, 0);
    return changed;
  };
  refuse(withLength(2n ** 63n), /a header of 9223372036854775808 bytes, at most 100000000 are read/);
  refuse(withLength(BigInt(headerLength - 40)), /the header is not JSON/);
  refuse(Buffer.from("not a checkpoint, but text"), /a header of \d+ bytes/);

  const entries = parseSafetensors(bytes, file);
  const metadata = Object.fromEntries(parseSafetensorsHeader(bytes, bytes.length, file).metadata);
  const withState = (change: (state: Record<string, unknown>) => unknown) => {
    const text = JSON.stringify(change(JSON.parse(metadata.state!)));
    return serializeSafetensors(entries, { ...metadata, state: text });
  };
  refuse(serializeSafetensors(entries), /the header's format is not given, expected viltgrad-pretraining-1/);
  refuse(serializeSafetensors(entries, { ...metadata, format: "pt" }), /the header's format is pt, expected/);
  refuse(serializeSafetensors(entries, { ...metadata, state: "{" }), /the header's state cannot be used: .*JSON/);
  refuse(
    withState(({ step, ...rest }) => rest),
    /the header's state cannot be used: .*step/,
  );
  refuse(
    withState((s) => ({ ...s, step: -1 })),
    /step/,
  );
  refuse(
    withState((s) => ({ ...s, data: { name: 5 } })),
    /data\.name/,
  );
  refuse(
    withState((s) => ({ ...s, model: { ...model, numHeads: 3 } })),
    /numHeads: must divide/,
    "ConfigError",
  );
  const settings = { ...state.settings, clipNorm: "1" };
  refuse(
    withState((s) => ({ ...s, settings })),
    /clipNorm/,
    "ConfigError",
  );
  t.throws(() => modelOf({ ...readCheckpoint(file), state: { ...state, step: 0, vocabulary: ["a"] } }), {
    message: /model\.safetensors: no line reads \[PAD\]/,
  });
  for (const missing of [path.join(folder, "none"), t.testdir()])
    t.throws(() => readCheckpoint(missing), { name: "DataError", message: /: no checkpoint there; viltgrad pretrain/ });
});

t.test("a tensor that is missing, has another shape or is not finite is named", async (t) => {
  const { file, bytes } = await saved(t.testdir());
  const metadata = Object.fromEntries(parseSafetensorsHeader(bytes, bytes.length, file).metadata);
  const [weight, moment] = ["backbone.pooler.dense.weight", "optimizer/backbone.pooler.dense.weight.v"];
  const refuse = (change: (tensors: ReturnType<typeof parseSafetensors>) => void, message: RegExp) => {
    const tensors = parseSafetensors(Uint8Array.from(bytes), file);
    change(tensors);
    writeFileSync(file, serializeSafetensors(tensors, metadata));
    const { message: text } = t.throws(() => pretrainerOf(readCheckpoint(file)), {
      name: "DataError",
      message,
    }) as Error;
    t.ok(text.startsWith(`${file}: `));
  };
  const row = { dtype: "F32", shape: [2, 4], data: new Float32Array(8) } as const;
  const dense = /backbone\.pooler\.dense\.weight/.source;
  refuse((all) => all.set(`model/${weight}`, row), new RegExp(`${dense} is \\[2, 4\\], not \\[8, 8\\]`));
  refuse((all) => all.delete(`model/${weight}`), new RegExp(`missing ${dense} \\[8, 8\\]`));
  refuse((all) => all.set("model/more.weight", row), /unexpected more\.weight \[2, 4\]/);
  refuse(
    (all) => all.get(`model/${weight}`)!.data.fill(Number.NaN, 5, 6),
    new RegExp(`${dense} holds NaN at element 5`),
  );
  refuse((all) => all.set(moment, row), new RegExp(`optimizer/${dense}\\.v is \\[2, 4\\], not \\[8, 8\\]`));
  refuse((all) => all.delete(moment), new RegExp(`missing optimizer/${dense}\\.v \\[8, 8\\]`));
  refuse((all) => all.get(moment)!.data.fill(Infinity, 7), new RegExp(`${dense}\\.v holds Infinity at element 7`));
});

t.test("what is not finite is not saved, and the file stays as it was", async (t) => {
  const { pretrainer, file, bytes } = await saved(t.testdir());
  const { weight } = pretrainer.model.imageTextMatchingHead.dense;
  weight.value = fromArray(
    Float32Array.from({ length: 16 }, (_, i) => (i === 9 ? Number.NaN : 0)),
    [2, 8],
  );
  await t.rejects(saveCheckpoint(file, pretrainer, state), {
    name: "DataError",
    message: /^step 3: not saved, .*model\.safetensors is as it was: model\/\S+weight holds NaN at element 9$/,
  });
  t.ok(readFileSync(file).equals(bytes));
});

t.test("a file is written whole or not at all, and nothing is left beside it", async (t) => {
  const folder = t.testdir({ kept: "old", taken: { inside: "old" } });
  const [kept, taken] = [path.join(folder, "kept"), path.join(folder, "taken")];
  writeFileAtomic(kept, "new");
  writeFileAtomic(path.join(folder, "deep", "er", "made"), Uint8Array.of(104, 105));
  t.equal(readFileSync(kept, "utf8"), "new");
  t.equal(readFileSync(path.join(folder, "deep", "er", "made"), "utf8"), "hi");
  t.throws(() => writeFileAtomic(taken, "new"), { code: /EISDIR|ENOTEMPTY|EEXIST|EPERM/ });
  t.equal(readFileSync(path.join(taken, "inside"), "utf8"), "old", "what could not be replaced is whole");
  t.throws(() => writeFileAtomic(path.join(kept, "below"), "new"), { code: /EEXIST|ENOTDIR/ });
  function* failing(): Generator<Uint8Array> {
    yield Uint8Array.of(104);
    throw new Error("half-way");
  }
  const descriptors = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);
  const before = descriptors();
  for (let i = 0; i < 5; i++) t.throws(() => writeFileAtomic(kept, failing()), { message: "half-way" });
  t.equal(descriptors(), before, "the temporary file was closed");
  t.equal(readFileSync(kept, "utf8"), "new", "the write failed half-way: the old content is whole");
  mkdirSync(path.join(folder, "model.safetensors"));
  const pretrainer = new Pretrainer(state);
  await t.rejects(saveCheckpoint(path.join(folder, "model.safetensors"), pretrainer, state), { code: /EISDIR|EPERM/ });
  t.strictSame(readdirSync(folder).sort(), ["deep", "kept", "model.safetensors", "taken"]);
});
