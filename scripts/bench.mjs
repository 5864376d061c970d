// npm run bench -- NAME [options]: builds what is stale and runs one benchmark from the compiled library.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../bench/", import.meta.url));
const names = readdirSync(folder).flatMap((file) => (file.endsWith(".mjs") ? [file.slice(0, -4)] : []));
const [name, ...rest] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`bench: name one of ${names.join(", ")}, not ${name ?? "nothing"}`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, [`${folder}${name}.mjs`, ...rest], { stdio: "inherit" });
process.exit(status ?? 1);
