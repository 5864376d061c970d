import type { ChildProcess } from "node:child_process";
import { copyFileSync, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { FakeHub } from "../train/fake-hub.ts";
import { commandIn } from "./support.ts";

const golden = fileURLToPath(new URL("../golden-hf/base_a", import.meta.url));
const repo = "owner/model";

/** A hub with one checkpoint, and the command with that hub and an empty cache in its surroundings. */
async function start(t: Test) {
  const [hub, home] = [await FakeHub.start(t), t.testdir()];
  hub.add(repo, golden);
  const run = commandIn(home);
  const viltgrad = (
    args: readonly string[],
    env: Record<string, string> = {},
    onStart?: (child: ChildProcess) => void,
  ) => {
    const settings = { HF_ENDPOINT: hub.url, HF_HOME: home, HF_TOKEN: "", HF_HUB_CACHE: undefined };
    return run(args, { env: { ...settings, ...env }, ...(onStart && { onStart }) });
  };
  return { hub, home, viltgrad };
}

t.test("pull: the folder on standard output, which other commands take", async (t) => {
  const { hub, home, viltgrad } = await start(t);
  const first = await viltgrad(["pull", repo]);
  t.equal(first.code, 0, first.stderr);
  const folder = path.join(home, "hub", "models--owner--model", "snapshots", "a".repeat(40));
  t.equal(first.stdout, `${folder}\n`);
  t.match(first.stderr, /100 % of 0\.2 MB \| model\.safetensors/);
  t.match(first.stderr, /^owner\/model: 0\.2 MB fetched\.$/m);
  t.notMatch(first.stderr, /Downloading/);
  copyFileSync(path.join(golden, "expected.safetensors"), path.join(folder, "expected.safetensors"));
  const verified = await viltgrad(["verify", folder]);
  t.equal(verified.code, 0, `${verified.stdout}${verified.stderr}`);
  t.match(verified.stdout, /pass/);

  const second = await viltgrad(["pull", repo, "--json"]);
  const result = { repo, revision: "main", folder, commit: "a".repeat(40), fetched: 0, offline: null };
  t.strictSame(JSON.parse(second.stdout), result);
  t.equal(second.stderr, "owner/model: all of it was in the cache.\n");

  hub.stop();
  const offline = await viltgrad(["pull", repo]);
  t.strictSame([offline.code, offline.stdout], [0, `${folder}\n`]);
  t.match(offline.stderr, /^owner\/model: http:\S+ cannot be reached: .*; this is what the cache has for main\.\n$/);
});

t.test("pull: what goes wrong is one line, and exit code 1", async (t) => {
  const { hub, home, viltgrad } = await start(t);
  const [other, token] = [path.join(home, "other"), { HF_TOKEN: "hf_secret" }];
  hub.add("owner/old", { "config.json": "{}", "pytorch_model.bin": "" });
  for (const [args, message, env] of [
    [["owner/none"], /^viltgrad: owner\/none: http:\S+ refuses it \(401, .*HF_TOKEN/],
    [["owner/old"], /^viltgrad: owner\/old: no model\.safetensors, only pytorch_model\.bin; convert it first/],
    [[repo, "--revision", "v2"], /^viltgrad: owner\/model: there is no revision v2/, token],
    [[repo, "--hub", "http://127.0.0.1:2"], /^viltgrad: owner\/model: http:\/\/127\.0\.0\.1:2 cannot be reached: /],
    [[repo], /^viltgrad: pull: a token in HF_TOKEN starts with hf_/, { HF_TOKEN: "secret" }],
  ] as const) {
    const { code, stdout, stderr } = await viltgrad(["pull", ...args, "--cache", other], env);
    t.strictSame([code, stdout], [1, ""], args.join(" "));
    t.match(stderr, message);
    t.equal(stderr.indexOf("\n"), stderr.length - 1, "one line");
    t.notMatch(stderr, /secret/);
  }
  t.strictSame([...hub.tokens], [undefined, "Bearer hf_secret"]);
  t.strictSame(readdirSync(home), [], "no file was made");
});

t.test("pull: an interrupt leaves no part of a file", async (t) => {
  const { hub, home, viltgrad } = await start(t);
  hub.faults.set("model.safetensors", "stall");
  const blobs = path.join(home, "hub", "models--owner--model", "blobs");
  const stored = () => (existsSync(blobs) ? readdirSync(blobs) : []);
  const { code, stdout } = await viltgrad(["pull", repo], {}, (child) => {
    const timer = setInterval(() => {
      if (stored().length < 2) return;
      clearInterval(timer);
      child.kill("SIGINT");
    }, 5);
    child.on("exit", () => clearInterval(timer));
  });
  t.strictSame([code, stdout], [130, ""]);
  t.equal(stored().length, 1, "config.json alone");
  t.notMatch(stored().join(), /incomplete/);
});

t.test("pull: help", async (t) => {
  const { viltgrad } = await start(t);
  const { code, stdout } = await viltgrad(["pull", "--help"]);
  t.equal(code, 0);
  for (const option of ["<repo>", "--revision", "--cache", "--hub", "--json", "HF_TOKEN"]) t.match(stdout, option);
});
