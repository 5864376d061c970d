import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { builtPage, launch, serve, skip } from "./chromium.ts";
import type { BrowserResult, CaseFiles } from "./golden/verify.ts";

const folder = fileURLToPath(new URL("../golden", import.meta.url));
const modes = ["webgl2", "webgpu"];
/** What is verified; the other kinds record what is computed on the host. */
const kinds = ["vilt_forward", "vilt_losses", "vilt_training", "layers_f64", "wpa_ipot", "pos_embed", "optimizers"];

const cases = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .map((file) => ({ name: file.slice(0, -5), json: JSON.parse(readFileSync(path.join(folder, file), "utf8")) }));

t.test(
  "in a browser, recorded forward passes, losses and training are those of the gpu device",
  { skip },
  async (t) => {
    const root = fileURLToPath(new URL("./golden", import.meta.url));
    const page = await (await launch(t)).newPage();
    await page.goto(await serve(t, await builtPage(t, root)));
    await page.waitForFunction(() => "verify" in globalThis);
    for (const mode of modes)
      await t.test(mode, async (t) => {
        const chosen = cases.filter(({ json }) => kinds.includes(json.kind));
        t.ok(chosen.length > 10, `${chosen.length} cases`);
        for (const { name, json } of chosen) {
          const tensors = readFileSync(path.join(folder, json.file ?? `${name}.safetensors`)).toString("base64");
          const result = await page.evaluate(
            ([mode, files]) =>
              (globalThis as unknown as { verify: (mode: string, files: CaseFiles) => Promise<BrowserResult> }).verify(
                mode,
                files,
              ),
            [mode, { name, json, tensors }] as const,
          );
          t.equal(result.status, "pass", `${name}: ${result.compared} values, ${result.failures.join("; ")}`);
          t.equal(result.fallbacks, 0, "nothing is left to cpu");
        }
      });
  },
);
