import t, { type Test } from "tap";
import { getBackend } from "../../src/tensor/backend.ts";
import { memory } from "../../src/tensor/memory.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { Pretrainer } from "../../src/train/pretrainer.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { syntheticBatch } from "../../src/train/synthetic-batch.ts";
import { parseViltConfig } from "../../src/vilt/config.ts";
import { values } from "../support.ts";

const model = parseViltConfig({
  ...{ hiddenSize: 8, numLayers: 1, numHeads: 2, vocabularySize: 9, maxTextLength: 6 },
  ...{ imageSize: [4, 6], patchSize: 2, initializer: "fanIn", dropout: 0.1 },
});
const batches = [0, 1, 2, 3].map((step) => syntheticBatch(model, 2, new Rng(step)));
const fresh = () =>
  new Pretrainer({ model, wordPatchAlignment: [], settings: trainingSettings("toy", { batchSize: 2 }), seed: 3 });
const weights = (pretrainer: Pretrainer) => [...pretrainer.model.parameters()].map(({ value }) => values(value));
const pictures = () =>
  memory()
    .groups.filter(({ shape }) => shape.join() === "2,3,4,6")
    .reduce((count, group) => count + group.count, 0);

/** How many arrays of pictures are uploaded. */
function uploads(t: Test) {
  const counts = { uploads: 0 };
  const backend = getBackend("wasm");
  const { upload } = backend;
  backend.upload = (...args) => {
    if (args[0].length === 2 * 3 * 4 * 6) counts.uploads++;
    return upload.apply(backend, args);
  };
  t.teardown(() => Object.assign(backend, { upload }));
  return counts;
}

t.test("a batch that was uploaded ahead trains the same bits, and its pictures are given back", async (t) => {
  const [plain, ahead] = [fresh(), fresh()];
  const counts = uploads(t);
  for (const [step, batch] of batches.entries()) {
    const metrics = await plain.train(batch);
    t.equal(pictures(), step === 0 ? 0 : 2, "those of the other one's next step alone");
    const next = batches[step + 1];
    counts.uploads = 0;
    const meanwhile = async () => {
      t.equal(counts.uploads, step === 0 ? 2 : 0, "the step began with computing");
      t.equal(pictures(), 0, "and is done with its own");
      if (next) ahead.upload(next);
    };
    t.strictSame(await ahead.train(batch, meanwhile), metrics);
    t.equal(pictures(), next ? 2 : 0);
  }
  t.strictSame(weights(ahead), weights(plain));
});

t.test("a batch that is not the uploaded one is trained nevertheless", async (t) => {
  const [plain, other] = [fresh(), fresh()];
  const metrics = await plain.train(batches[0]!);
  other.upload(batches[2]!);
  other.upload(batches[1]!);
  t.equal(pictures(), 2, "the last upload counts");
  t.strictSame(await other.train(batches[0]!), metrics);
  t.equal(pictures(), 2, "and stays for its own step");
  t.strictSame(await other.train(batches[1]!), await plain.train(batches[1]!));
  t.equal(pictures(), 0);
});

t.test("a batch that cannot be uploaded leaves none behind", async (t) => {
  const [plain, other] = [fresh(), fresh()];
  other.upload(batches[0]!);
  const torn = { ...batches[1]!, images: { ...batches[1]!.images, height: 5 } };
  t.throws(() => other.upload(torn), { name: "ShapeError" });
  t.equal(pictures(), 0);
  t.strictSame(await other.train(batches[0]!), await plain.train(batches[0]!));
});

t.test("a step that fails gives its pictures back", async (t) => {
  const pretrainer = fresh();
  const [batch] = batches;
  const broken = { ...batch!, maskedIds: batch!.maskedIds.map(() => 99) };
  await t.rejects(pretrainer.train(broken), /99/);
  t.equal(pictures(), 0);
  t.match(await pretrainer.train(batch!), { step: 1 });
});
