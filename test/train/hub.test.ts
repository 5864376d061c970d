import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { downloadFileToCacheDir, scanCacheDir } from "@huggingface/hub";
import t, { type Test } from "tap";
import "../../src/tensor/devices.ts";
import { type HubModel, pullModel } from "../../src/train/hub.ts";
import { openModelFolder } from "../../src/train/model-folder.ts";
import { FakeHub } from "./fake-hub.ts";

const golden = fileURLToPath(new URL("../golden-hf", import.meta.url));
const base = path.join(golden, "base_a");
const weights = readFileSync(path.join(base, "model.safetensors"));
const config = readFileSync(path.join(base, "config.json"));
const vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
const MAIN = "a".repeat(40);
const repo = "owner/model";

/** A hub with one checkpoint, and an empty cache. */
async function start(t: Test, refs?: Record<string, string>) {
  const [hub, cache] = [await FakeHub.start(t), t.testdir()];
  hub.add(
    repo,
    { "config.json": config, "model.safetensors": weights, "vocab.txt": vocabulary, "README.md": "#" },
    refs,
  );
  const pull = (change: Partial<HubModel> = {}) => pullModel({ repo, hub: hub.url, cache, ...change });
  return { hub, cache, pull };
}

/** Files below a folder, without its directories. */
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !lstatSync(path.join(folder, name)).isDirectory())
    .sort();

const looks = [`GET /api/models/${repo}/revision/main`, `GET /api/models/${repo}/tree/COMMIT`];
/** The library asks for the first byte, to learn the length, and then for all. */
const fetches = (...names: string[]) =>
  names.flatMap((name) => Array(2).fill(`GET /${repo}/resolve/COMMIT/${name}`) as string[]);

t.test("what is of use is fetched, once, and opens", async (t) => {
  const { hub, cache, pull } = await start(t);
  hub.add(repo, { ...Object.fromEntries(hub.repositories.get(repo)!.files), "pytorch_model.bin": "large" });
  const heard: [string, number, number][] = [];
  const first = await pullModel({ repo, hub: `${hub.url}/`, cache }, (...progress) => heard.push(progress));
  const total = config.length + vocabulary.length + weights.length;
  t.strictSame(first, { folder: first.folder, commit: MAIN, fetched: total, offline: null });
  t.equal(first.folder, path.join(cache, "models--owner--model", "snapshots", MAIN));
  t.strictSame(readdirSync(first.folder).sort(), ["config.json", "model.safetensors", "vocab.txt"]);
  t.strictSame(hub.takeRequests(), [...looks, ...fetches("config.json", "vocab.txt", "model.safetensors")]);
  t.strictSame(heard.at(-1), ["model.safetensors", total, total]);
  t.strictSame(
    heard.map(([, done]) => done),
    heard.map(([, done]) => done).sort((a, b) => a - b),
    "progress only grows",
  );
  const { model } = await openModelFolder(first.folder);
  const { model: original } = await openModelFolder(base);
  const values = (from: typeof model) => from.namedParameters().get("pooler.dense.weight")!.value.dataSync();
  t.strictSame(values(model), values(original));

  t.strictSame(await pull(), { ...first, fetched: 0 });
  t.strictSame(hub.takeRequests(), looks, "nothing is fetched again");
  t.strictSame([...hub.tokens], [undefined]);
});

t.test("the cache is that of Hugging Face's own library, in both directions", async (t) => {
  const { hub, cache, pull } = await start(t);
  const place = { repo, hubUrl: hub.url, cacheDir: cache };
  const theirs = await downloadFileToCacheDir({ ...place, path: "model.safetensors" });
  hub.takeRequests();
  const { folder, fetched } = await pull();
  t.equal(fetched, config.length + vocabulary.length);
  t.strictSame(hub.takeRequests(), [...looks, ...fetches("config.json", "vocab.txt")], "theirs serve us");
  t.equal(theirs, path.join(folder, "model.safetensors"));
  t.equal(await downloadFileToCacheDir({ ...place, path: "vocab.txt" }), path.join(folder, "vocab.txt"));
  t.notMatch(hub.takeRequests().join(), /resolve/, "ours serve them");
  const { repos, warnings } = await scanCacheDir(cache);
  t.strictSame(warnings, []);
  t.match(repos, [{ id: { name: repo }, revisions: [{ commitOid: MAIN, refs: ["main"], files: { length: 3 } }] }]);
});

t.test("a new commit fetches what changed; branches with a slash, and commits, are revisions", async (t) => {
  const { hub, pull } = await start(t, { "refs/pr/1": "b".repeat(40) });
  await pull();
  const request = await pull({ revision: "refs/pr/1" });
  t.match(request, { commit: "b".repeat(40), fetched: 0 }, "the same content is only linked");
  t.ok((await openModelFolder(request.folder)).model);
  t.match(await pull({ revision: "b".repeat(40) }), { ...request });
  hub.add(repo, { "config.json": `${config} `, "model.safetensors": weights }, { main: "c".repeat(40) });
  t.match(await pull(), { commit: "c".repeat(40), fetched: config.length + 1 });
  hub.stop();
  t.match(await pull(), { commit: "c".repeat(40), offline: /^http:\S+ cannot be reached: ./ });
  t.match(await pull({ revision: "refs/pr/1" }), { folder: request.folder });
  t.match(await pull({ revision: MAIN }), { commit: MAIN });
  await t.rejects(pull({ revision: "other" }), { message: /^owner\/model: http:\S+ cannot be reached: ./ });
});

t.test("a hub that fails itself is as good as none; one that says no is believed", async (t) => {
  const { hub, pull } = await start(t);
  await pull();
  hub.faults.set("api", 503);
  t.match(await pull(), { commit: MAIN, fetched: 0, offline: `${hub.url} answers 503` });
  hub.faults.set("api", 403);
  await t.rejects(pull(), { message: /refuses it/ });
});

t.test("what does not arrive whole is not kept, and comes with the next call", async (t) => {
  for (const [fault, message] of [
    ["cut", /^owner\/model: model\.safetensors: http:\S+ broke off: other side closed$/],
    ["short", /^owner\/model: model\.safetensors: 113936 of 227872 bytes came; pull again$/],
    ["changed", /^owner\/model: model\.safetensors: what came is not what the hub lists; pull again$/],
    [500, /^owner\/model: model\.safetensors: http:\S+ answers 500$/],
  ] as const) {
    const { hub, cache, pull } = await start(t);
    hub.faults.set("model.safetensors", fault);
    await t.rejects(pull(), { name: "DataError", message }, String(fault));
    const names = filesIn(cache).map((name) => path.basename(name));
    t.equal(names.length, 4, `two small files and their links, not ${names}`);
    t.notMatch(names.join(), /incomplete|safetensors|main/);
    hub.stop();
    await t.rejects(pull(), { message: /cannot be reached/ }, "without the weights the cache is of no use");

    const again = await FakeHub.start(t);
    again.add(repo, Object.fromEntries(hub.repositories.get(repo)!.files));
    const { folder, fetched } = await pull({ hub: again.url });
    t.equal(fetched, weights.length);
    t.ok(readFileSync(path.join(folder, "model.safetensors")).equals(weights));
  }
});

t.test(
  "a file of the wrong length in the cache is fetched anew; two pulls at once do not disturb each other",
  async (t) => {
    const { cache, pull } = await start(t);
    const pulls = await Promise.all([pull(), pull()]);
    const [{ folder }] = pulls;
    for (const pulled of pulls) t.match(pulled, { folder, commit: MAIN, offline: null });
    const fetched = pulls.reduce((sum, pulled) => sum + pulled.fetched, 0);
    const total = config.length + vocabulary.length + weights.length;
    t.ok(fetched >= total && fetched <= 2 * total, "who comes second to a file may find it there");
    t.notMatch(filesIn(cache).join(), /incomplete/);
    const file = path.join(folder, "model.safetensors");
    t.ok(readFileSync(file).equals(weights));
    writeFileSync(file, weights.subarray(100));
    t.equal((await pull()).fetched, weights.length);
    t.ok(readFileSync(file).equals(weights));
  },
);

t.test("a repository that cannot be used is refused before anything is fetched", async (t) => {
  const { hub, cache, pull } = await start(t);
  for (const [names, message] of [
    [
      ["config.json", "pytorch_model.bin", "tf_model.h5"],
      /^owner\/model: no model\.safetensors, only pytorch_model\.bin, tf_model\.h5; convert it first, with save_pretrained\(folder, safe_serialization=True\) of transformers$/,
    ],
    [
      ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
      /^owner\/model: its weights are split over 2 files, which is not supported; /,
    ],
    [["README.md"], /^owner\/model: no model\.safetensors, nor other weights$/],
    [["model.safetensors"], /^owner\/model: no config\.json beside model\.safetensors$/],
  ] as const) {
    hub.add(repo, Object.fromEntries(names.map((name) => [name, name])));
    hub.takeRequests();
    await t.rejects(pull(), { name: "DataError", message });
    t.strictSame(hub.takeRequests(), looks);
  }
  t.strictSame(readdirSync(cache), []);
});

t.test("what a hub refuses, in one line that names the repository and the cause", async (t) => {
  const { hub, cache, pull } = await start(t);
  const token = "hf_secret";
  const refuse = (change: Partial<HubModel>, message: RegExp, name = "DataError") =>
    t.rejects(pull(change), { name, message }, String(message));
  await refuse(
    { repo: "owner/none" },
    /^owner\/none: http:\S+ refuses it \(401, Repository not found\); it is private or gated, or not there; a token in HF_TOKEN may open it$/,
  );
  await refuse({ repo: "owner/none", token }, /^owner\/none: there is no such repository at http:\S+$/);
  await refuse({ revision: "v2" }, /^owner\/model: there is no revision v2 at http:\S+$/);
  const gone = await FakeHub.start(t);
  gone.stop();
  await refuse({ hub: gone.url }, /^owner\/model: http:\S+ cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
  hub.faults.set("config.json", 403);
  await refuse(
    { token },
    /^owner\/model: config\.json: http:\S+ refuses it \(403, Access to this model is restricted\.\); .*; the token in HF_TOKEN does not open it$/,
  );
  t.strictSame(filesIn(cache), []);
  t.strictSame([...hub.tokens], [undefined, `Bearer ${token}`]);
  hub.faults.set("api", 429);
  await refuse({}, /^owner\/model: http:\S+ answers 429, Access/);
  hub.faults.clear();
  hub.add(repo, { "config.json": config }, { main: "../../out\nand more" });
  await refuse({}, /^owner\/model: http:\S+ does not answer as a hub does: Error: "\.\.\/\.\.\/out$/);
  for (const [change, message] of [
    [{ repo: "../model" }, /^pull: \.\.\/model is not the name of a repository; /],
    [{ repo: "a/b/c" }, /^pull: a\/b\/c is not the name/],
    [{ revision: "a/../../b" }, /^pull: "a\/\.\.\/\.\.\/b" is not a branch, a tag or a commit$/],
    [{ hub: "huggingface.co" }, /^pull: huggingface\.co is not an address of a hub$/],
  ] as const)
    await refuse(change, message, "ConfigError");
  t.notOk(existsSync(path.join(cache, "models--owner--model", "refs")));
});
