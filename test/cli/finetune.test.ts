import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import t from "tap";
import { commandIn, jsonOf } from "./support.ts";

const folder = t.testdir();
const at = (...names: string[]) => path.join(folder, ...names);
const viltgrad = commandIn(folder);

const pretraining = await viltgrad([
  ...["pretrain", "--preset", "toy", "--steps", "3", "--batch-size", "4", "--evaluation-samples", "4"],
  ...["--output", "run", "--json"],
]);
const grey = { create: { width: 40, height: 30, channels: 3 as const, background: "#888" } };
await sharp(grey).png().toFile(at("grey.png"));

interface Trial {
  readonly arm: string;
  readonly seed: number;
  readonly scores: Record<string, Record<string, { score: number; chance: number }>>;
}

t.test("finetune: each task, with its folder, its page and its scores; evaluate gives the same ones", async (t) => {
  t.equal(pretraining.code, 0, pretraining.stderr);
  const arms = {
    vqa: ["pre-trained", "from scratch", "text only", "pictures only"],
    nlvr2: ["pre-trained"],
    retrieval: ["pre-trained", "zero-shot"],
  };
  for (const [task, expected] of Object.entries(arms)) {
    const short = ["--steps", "2", "--batch-size", "2", "--evaluation-samples", "12", "--output", task];
    const more = task === "vqa" ? ["--baselines", "--seeds", "2"] : [];
    const result = await jsonOf<{ trials: Trial[]; files: Record<string, string>; finished: boolean }>(t, viltgrad, [
      ...["finetune", task, "--from", "run", ...short, ...more],
    ]);
    t.ok(result.finished);
    t.same(
      result.trials.map(({ arm, seed }) => [arm, seed]),
      (more.length ? [0, 1] : [0]).flatMap((seed) => expected.map((arm) => [arm, seed])),
    );
    for (const [name, file] of Object.entries(result.files)) t.ok(existsSync(at(file)), `${name}: ${file}`);
    const page = readFileSync(at(task, "report.html"), "utf8");
    t.match(page, `viltgrad finetune ${task} --from run`);
    t.match(page, "--evaluation-samples 12", "without it the same command scores other examples");
    t.match(page, /<img alt="" width="\d+" height="\d+" src="data:image\/png/);
    const judged = await jsonOf<{ scores: Trial["scores"] }>(t, viltgrad, [
      ...["evaluate", task, "--samples", "12", "--split", "validation"],
    ]);
    t.same(judged.scores.validation, result.trials[0]!.scores.validation, task);
  }
});

t.test("finetune: tables on standard output", async (t) => {
  const { code, stdout, stderr } = await viltgrad([
    ...["finetune", "retrieval", "--from", "run", "--steps", "1", "--batch-size", "1", "--evaluation-samples", "8"],
    ...["--output", "shown"],
  ]);
  t.equal(code, 0, stderr);
  t.match(stdout, /^mean recall@1 +validation +unseen-style +unseen-pairs\npre-trained .*\nzero-shot .*\nguessing /);
  t.match(stdout, /image → text recall@10/);
  t.match(stdout, "Look at shown/report.html");
});

t.test("predict: an answer for each kind of model", async (t) => {
  const says = async (model: string, images: string[], text: string) =>
    await jsonOf<{ task: string; says: unknown[][] }>(t, viltgrad, [
      ...["predict", model, "--image", ...images, "--text", text, "--top", "2"],
    ]);
  t.match(await says("vqa", ["grey.png"], "how many things are there ?"), {
    task: "question-answering",
    says: [{ length: 2 }],
  });
  t.match(await says("nlvr2", ["grey.png", "grey.png"], "both pictures show a cat"), { task: "image-pairs" });
  t.match(await says("retrieval", ["grey.png"], "a cat"), { says: [[{ text: "score" }]] });
  t.match(await says("run", ["grey.png"], "a [MASK] and a [MASK]"), {
    task: "masked-words",
    says: [{ length: 2 }, { length: 2 }],
  });
  const table = await viltgrad(["predict", "nlvr2", "--image", "grey.png", "grey.png", "--text", "both show a cat"]);
  t.match(table.stdout, /image-pairs\n(True|False) +0\.\d{3}\n(True|False) +0\.\d{3}\n/);
});

t.test("what cannot be done is refused in one line, and nothing is written", async (t) => {
  const before = readdirSync(folder).sort();
  for (const [args, message] of [
    [["finetune", "vqa", "--from", "nothing"], /no checkpoint there/],
    [["finetune", "vqa", "--from", "run", "--output", "run"], /run exists already/],
    [["finetune", "nlvr2", "--from", "run", "--data", "nowhere"], /nowhere/],
    [["evaluate", "vqa", "--data", "emoji-scenes"], /chooses among other answers/],
    [["predict", "vqa", "--image", "grey.png", "grey.png", "--text", "a"], /takes 1 pictures, not 2/],
    [["predict", "run", "--image", "grey.png", "--text", "a cat"], /no \[MASK\]/],
    [["predict", "run", "--image", "none.png", "--text", "a [MASK]"], /none\.png/],
  ] as const) {
    const { code, stdout, stderr } = await viltgrad(args);
    t.equal(code, 1, args.join(" "));
    t.equal(stdout, "");
    t.match(stderr, message);
    t.equal(stderr.split("\n").length, 2, stderr);
  }
  const unknown = await viltgrad(["finetune", "captioning", "--from", "run"]);
  t.equal(unknown.code, 1);
  t.match(unknown.stderr, /vqa, nlvr2, retrieval/);
  t.same(readdirSync(folder).sort(), before);
});

t.test("finetune: an interrupt leaves the model as it is then", async (t) => {
  const args = ["finetune", "nlvr2", "--from", "run", "--steps", "100000", "--output", "stopped", "--json"];
  const { code, stdout } = await viltgrad(args, {
    onStart(child) {
      child.stderr!.once("data", () => setTimeout(() => child.kill("SIGINT"), 1500));
    },
  });
  t.equal(code, 0);
  t.same(JSON.parse(stdout), { folder: "stopped", finished: false });
  t.ok(existsSync(at("stopped", "model.safetensors")));
});

t.test("ablate: a row for each variant; what is done is not done again", async (t) => {
  const args = ["ablate", "--preset", "toy", "--steps", "2", "--finetune-steps", "1", "--evaluation-samples", "6"];
  const { code, stdout, stderr } = await viltgrad([...args, "--output", "ablation"]);
  t.equal(code, 0, stderr);
  const lines = stdout.split("\n");
  t.match(lines[0], /^validation +questions +statements +zero-shot recall@1$/);
  t.equal(lines.indexOf(""), 8, "six variants between the head and what guessing gets");
  t.match(stderr, /patches masked too, seed 0: pre-training/);
  const runs = readdirSync(at("ablation")).filter((name) => name !== "ablation.json");
  t.equal(runs.length, 5, "one variant differs in its fine-tuning alone");
  const [line] = readFileSync(at("ablation", "2-steps-maskedPatches-true-seed-0", "metrics.jsonl"), "utf8").split("\n");
  t.ok(Number.isFinite(JSON.parse(line!).mppLoss));
  const again = await jsonOf<{ rows: unknown[] }>(t, viltgrad, [...args, "--output", "ablation"]);
  t.equal(again.rows.length, 6);
  t.same(again.rows, JSON.parse(readFileSync(at("ablation", "ablation.json"), "utf8")).rows);
  const other = await viltgrad([...args, "--data", "emoji-scenes-hard", "--output", "ablation"]);
  t.not(other.code, 0, "runs on other data are not taken for these");
  t.match(other.stderr, "pre-trained as toy on emoji-scenes, not toy on emoji-scenes-hard");
});

t.test("finetune: a picture that cannot be read ends it in training", { timeout: 60_000 }, async (t) => {
  const lines = ["train", "val"].map((split) =>
    JSON.stringify({ image: "cut.png", question: "a cat ?", answer: "yes", split }),
  );
  mkdirSync(at("cut"));
  writeFileSync(at("cut", "cut.png"), readFileSync(at("grey.png")).subarray(0, 60));
  writeFileSync(at("cut", "questions.jsonl"), lines.join("\n"));
  let child: ChildProcess | undefined;
  t.teardown(() => child?.kill());
  const { code, stderr } = await viltgrad(
    ["finetune", "vqa", "--from", "run", "--data", "cut", "--steps", "2", "--batch-size", "2", "--output", "none"],
    {
      onStart(started) {
        child = started;
      },
    },
  );
  t.equal(code, 1, stderr);
  t.match(stderr, /viltgrad: cut\/questions\.jsonl, line 1: .*cut\.png: expected a whole PNG[^\n]*\n$/);
  t.notOk(existsSync(at("none")));
});

t.test("evaluate: a split without examples has no score", async (t) => {
  const line = { images: ["grey.png", "grey.png"], statement: "a cat", label: true, split: "train" };
  writeFileSync(at("train-only.jsonl"), `${JSON.stringify(line)}\n`);
  const { code, stderr } = await viltgrad(["evaluate", "nlvr2", "--data", "train-only.jsonl", "--split", "validation"]);
  t.not(code, 0);
  t.match(stderr, 'the split "validation" has no examples');
});
