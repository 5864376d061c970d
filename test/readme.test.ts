import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(path.join(root, "README.md"), "utf8");
const run = promisify(execFile);

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((match) => match[1]!);
}

t.test("README: every example runs and prints what its comments say", async (t) => {
  const examples = blocks("js");
  t.equal(examples.length, 3);
  for (const [i, code] of examples.entries()) {
    const folder = t.testdir({});
    const file = path.join(folder, `example-${i}.mjs`);
    const library = JSON.stringify(path.join(root, "dist/index.js"));
    writeFileSync(file, code.replaceAll('"viltgrad"', library));
    const { stdout } = await run(process.execPath, [file]);
    const promised = [...code.matchAll(/console\.log\(.*\); \/\/ ([^:\n]+)/g)].map((match) => match[1]!);
    t.ok(promised.length > 0);
    t.strictSame(stdout.trim().split("\n"), promised);
  }
});

t.test("README: every command and option that it names exists, and so does every file", async (t) => {
  const cli = path.join(root, "dist/bundle/cli/main.js");
  const scripts = (JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: object }).scripts;
  for (const line of blocks("sh").join("").split("\n")) {
    const [, command] = /^npx viltgrad (\w+)/.exec(line) ?? [];
    if (!command) continue;
    const { stdout } = await run(process.execPath, [cli, command, "--help"]);
    for (const [option] of line.split("#")[0]!.matchAll(/--[a-z-]+/g))
      t.match(stdout, new RegExp(`${option}\\b`), `${command} ${option}`);
  }
  t.match(scripts, { start: /pretrain/, test: String });
  for (const [, target] of readme.matchAll(/\]\(([^)#]+)\)/g))
    if (!target!.startsWith("https://")) t.ok(existsSync(path.join(root, target!)), target);
});
