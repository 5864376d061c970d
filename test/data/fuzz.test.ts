import { writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import t from "tap";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { FolderImages } from "../../src/data/folder/captions.ts";
import { FolderQuestions } from "../../src/data/folder/questions.ts";
import { FolderStatements } from "../../src/data/folder/statements.ts";
import { ImageProcessor } from "../../src/data/image-processor.ts";
import { parseSafetensors, serializeSafetensors } from "../../src/data/safetensors.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { ViltgradError } from "../../src/tensor/errors.ts";
import { parseHuggingfaceConfig } from "../../src/vilt/huggingface.ts";

const seed = 20261125;

/** What a reader made of hostile input: a result, or a clear error of ours in one line. Anything else is a bug. */
function readOrRefuse<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    return expectClear(error);
  }
}

function expectClear(error: unknown): null {
  if (!(error instanceof ViltgradError)) throw error;
  if (error.message === "" || error.message.length > 100_000) throw new Error(`not a clear message: ${error.message}`);
  return null;
}

const sound = serializeSafetensors(
  new Map([
    ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["b", { shape: [], data: Int32Array.of(7) }],
    ["c", { shape: [0, 4], data: new Uint8Array() }],
  ]),
  { made: "here" },
);

t.test("safetensors: changed bytes, cut ends and headers of any JSON are read or refused", async (t) => {
  const anywhere = fc.oneof(fc.nat(sound.length - 1), fc.integer({ min: sound.length - 28, max: sound.length - 1 }));
  const changes = fc.array(fc.tuple(anywhere, fc.nat(255)), { maxLength: 4 });
  const cut = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(sound.length) });
  let [read, refused] = [0, 0];
  const count = (result: unknown) => (result === null ? refused++ : read++);
  fc.assert(
    fc.property(changes, cut, (edits, length) => {
      const bytes = sound.slice(0, length ?? sound.length);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      count(readOrRefuse(() => parseSafetensors(bytes, "fuzz")));
    }),
    { numRuns: 12_000, seed },
  );
  const place = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom("F32", "F64", "I32", "I64", "U8", "F16", "BF16", "F8"), fc.jsonValue()),
      shape: fc.oneof(fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 4 }), fc.jsonValue()),
      data_offsets: fc.oneof(
        fc.array(fc.integer({ min: -9, max: 99 }), { minLength: 1, maxLength: 3 }),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  );
  const names = fc.oneof(fc.string(), fc.constantFrom("a", "b", "__proto__", "__metadata__", "constructor"));
  const header = fc.oneof(fc.dictionary(names, fc.oneof(place, fc.jsonValue()), { maxKeys: 4 }), fc.jsonValue());
  fc.assert(
    fc.property(header, fc.nat(120), (json, data) => {
      const text = new TextEncoder().encode(JSON.stringify(json));
      const bytes = new Uint8Array(8 + text.length + data);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
      bytes.set(text, 8);
      const tensors = readOrRefuse(() => parseSafetensors(bytes, "fuzz"));
      count(tensors);
      for (const { shape, data: values } of tensors?.values() ?? [])
        if (shape.reduce((size, n) => size * n, 1) !== values.length) throw new Error("values do not fill the shape");
    }),
    { numRuns: 8_000, seed },
  );
  t.comment(`${read} read, ${refused} refused`);
  t.equal(read + refused, 20_000);
  t.ok(read > 1000 && refused > 10_000, "both happen");
});

t.test("configurations of any JSON are read or refused", async (t) => {
  const size = fc.oneof(fc.constantFrom(1, 2, 4, 8, 48, -1, 0, 1e9, 0.5), fc.jsonValue());
  const fields = ["hidden_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size", "id2label"];
  const config = fc
    .dictionary(fc.constantFrom(...fields), size, { maxKeys: 2 })
    .map((odd) => ({ model_type: "vilt", ...odd }));
  let read = 0;
  fc.assert(
    fc.property(fc.oneof(config, fc.jsonValue()), (json) => {
      if (readOrRefuse(() => parseHuggingfaceConfig(json, "fuzz"))) read++;
      const processor = readOrRefuse(() => ImageProcessor.fromJSON(json, "fuzz"));
      if (processor && JSON.stringify(processor.toJSON()) === undefined) throw new Error("not JSON");
    }),
    { numRuns: 4_000, seed },
  );
  t.ok(read > 10, `${read} configurations were sound`);
});

t.test("captions of any characters are cut into pieces or refused, and never hang", async (t) => {
  const tokenizer = new Tokenizer(new EmojiScenes().vocabulary(53));
  const odd = ["\u0000", "\u0007", "\u200d", "\ufffd", "\u202e", "👨‍👩‍👧", "a\u0301", "模型", "שלום", "\ud800", " "];
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc
      .array(fc.constantFrom("cat", "watermelon", "[MASK]", "[CLS]", "##melon", ...odd), { maxLength: 30 })
      .map((w) => w.join(" ")),
  );
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 20 }), (caption, maxLength) => {
      const encoding = readOrRefuse(() => tokenizer.encode(caption, { maxLength, truncate: true }));
      if (!encoding) return;
      const { ids, tokens, words } = encoding;
      const known = ids.every((id, i) => tokenizer.vocabulary[id] === tokens[i]);
      if (!known || ids.length > maxLength || words.length !== ids.length) throw new Error(JSON.stringify(encoding));
      tokenizer.decode(ids);
    }),
    { numRuns: 4_000, seed },
  );
  const long = readOrRefuse(() => tokenizer.encode("cat ".repeat(10_000), { maxLength: 16 }));
  t.equal(long, null, "10,000 words are refused");
  t.equal(tokenizer.encode("x".repeat(100_000)).tokens[1], "[UNK]", "so long a word is no word");
});

t.test("files of captions, questions and statements are read, or refused by the file's name", async (t) => {
  const folder = t.testdir({ "a.png": "", "b.png": "", c: {} });
  /** One of the usual values, seldom an odd one or any JSON. */
  const often = (usual: readonly unknown[], odd: readonly unknown[] = []): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...usual) },
      { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...odd, null), fc.jsonValue()) },
    );
  const image = often(["a.png", "b.png"], ["./b.png", "c", "c/../../a.png", "/", "\u0000", "__proto__"]);
  const words = fc.oneof(
    { weight: 9, arbitrary: often(["a cat", "two"], ["the", "", " "]) },
    fc.string({ unit: "binary" }),
  );
  const split = often(["train", "train", "val"], ["test", "constructor", "__proto__", ""]);
  const answers = fc.array(words, { minLength: 1, maxLength: 4 });
  const optional = { requiredKeys: [] };
  const captions = fc.record({ image, caption: words, split });
  const questions = fc.record({ image, question: words, split });
  const label = often([true, false, "True", "False"], ["true", 1]);
  const statements = fc.record({ images: fc.tuple(image, image), statement: words, label, split });
  const asked = fc
    .tuple(questions, fc.oneof(fc.record({ answers }), fc.record({ answer: words }), fc.record({ answers }, optional)))
    .map((parts) => Object.assign({}, ...parts) as object);
  const formats = [
    { name: "captions", line: captions, open: FolderImages.open },
    { name: "questions", line: asked, open: FolderQuestions.open },
    { name: "statements", line: statements, open: FolderStatements.open },
  ];
  for (const { name, line, open } of formats) {
    const file = path.join(folder, `${name}.jsonl`);
    const lines = fc.array(
      fc.oneof(
        { weight: 30, arbitrary: line.map((value) => JSON.stringify(value)) },
        { weight: 1, arbitrary: fc.oneof(fc.string(), fc.json()) },
      ),
      { maxLength: 3 },
    );
    let [read, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(lines, async (some) => {
        writeFileSync(file, some.join("\n"));
        const data = await open(folder, { shorter: 16, divisor: 8 }).catch((error: unknown) => {
          if (!(error as Error).message.startsWith(file)) throw error;
          return expectClear(error);
        });
        if (data === null) refused++;
        else read++;
        if (data?.splits.every((split) => data.size(split) === 0)) throw new Error("there is nothing in it");
      }),
      { numRuns: 1_500, seed },
    );
    t.ok(read > 100 && refused > 100, `${name}: ${read} were read, ${refused} refused`);
  }
});
