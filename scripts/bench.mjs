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
// As `npm start`: a step's garbage is small, and by itself the engine lets that of hundreds of steps pile up.
const { status } = spawnSync(process.execPath, ["--max-semi-space-size=4", `${folder}${name}.mjs`, ...rest], {
  stdio: "inherit",
});
process.exit(status ?? 1);
