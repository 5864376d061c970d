import { Option } from "@commander-js/extra-typings";
import { ConfigError } from "../tensor/errors.ts";
import { plainCommand, printResult, remark } from "./options.ts";
import { progressBar } from "./progress.ts";

/** `viltgrad pull`: a checkpoint of the Hugging Face Hub as a local folder. */
export function pullCommand() {
  return plainCommand("pull", "fetch a checkpoint from the Hugging Face Hub into its cache, and print its folder")
    .argument("<repo>", "repository, such as dandelin/vilt-b32-finetuned-vqa")
    .option("--revision <name>", "branch, tag or commit", "main")
    .option("--cache <folder>", "cache to keep it in (default: HF_HUB_CACHE, else as HF_HOME says)")
    .addOption(new Option("--hub <url>", "hub to ask").default("https://huggingface.co").env("HF_ENDPOINT"))
    .addHelpText("after", "\nA repository that is private or gated needs a token, in HF_TOKEN.")
    .action(async (repo, { revision, cache, hub, json }) => {
      const token = process.env.HF_TOKEN?.trim();
      if (token && !token.startsWith("hf_")) throw new ConfigError("pull: a token in HF_TOKEN starts with hf_");
      for (const [signal, number] of [["SIGINT", 2] as const, ["SIGTERM", 15] as const])
        process.once(signal, () => process.exit(128 + number)); // what was begun is removed on exit
      const { pullModel } = await import("../train/hub.ts"); // no other command loads the library
      const progress = new Progress();
      const pulled = await pullModel({ repo, revision, cache, hub, token }, (...state) =>
        progress.show(...state),
      ).finally(() => progress.stop());
      const { folder, fetched, offline } = pulled;
      remark(
        offline === null
          ? `${repo}: ${fetched === 0 ? "all of it was in the cache" : `${megabytes(fetched)} fetched`}.`
          : `${repo}: ${offline}; this is what the cache has for ${revision}.`,
      );
      printResult(json, { repo, revision, ...pulled }, folder);
    });
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** The bar on standard error, from the first bytes on. */
class Progress {
  readonly #bar = progressBar("{bar} {percentage} % of {size} | {file} | {eta_formatted} left");

  show(file: string, done: number, total: number): void {
    if (!this.#bar.isActive) this.#bar.start(total, 0, { file, size: megabytes(total) });
    this.#bar.update(done, { file });
  }

  stop(): void {
    this.#bar.stop();
  }
}
