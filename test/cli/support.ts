import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

const main = fileURLToPath(new URL("../../dist/bundle/cli/main.js", import.meta.url));
if (!existsSync(main)) throw new Error("dist/bundle/cli/main.js is missing: npm install or npm run build makes it");

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Added to the surroundings; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onStart?: (child: ChildProcess) => void;
}

export type Command = (args: readonly string[], options?: CommandOptions) => Promise<Outcome>;

/** Runs the command in a folder, without the loaders that the test runner gives to all children: they are slow. */
export function commandIn(folder: string): Command {
  return (args, { env, onStart } = {}) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    onStart?.(child);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  };
}

/** Runs a command that must succeed and print one JSON object, and nothing else, on standard output. */
export async function jsonOf<T = Record<string, unknown>>(
  t: Test,
  command: Command,
  args: readonly string[],
): Promise<T> {
  const { code, stdout, stderr } = await command([...args, "--json"]);
  t.equal(code, 0, `${args[0]}: ${stderr}`);
  const lines = stdout.split("\n");
  t.same([lines.length, lines[1]], [2, ""], `${args[0]}: one line`);
  const value = JSON.parse(lines[0]!) as T;
  t.type(value, Object);
  return value;
}
