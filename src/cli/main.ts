#!/usr/bin/env node
import { createRequire } from "node:module";
import { Command } from "@commander-js/extra-typings";
import { ViltgradError } from "../tensor/errors.ts";
import { ablateCommand } from "./ablate.ts";
import { convertCommand } from "./convert.ts";
import { embedCommand } from "./embed.ts";
import { evaluateCommand } from "./evaluate.ts";
import { finetuneCommand } from "./finetune.ts";
import { predictCommand } from "./predict.ts";
import { pretrainCommand } from "./pretrain.ts";
import { profileCommand } from "./profile.ts";
import { pullCommand } from "./pull.ts";
import { verifyCommand } from "./verify.ts";
import { visualizeCommand } from "./visualize.ts";

const { version } = createRequire(import.meta.url)("viltgrad/package.json") as { version: string };
const program = new Command("viltgrad")
  .version(version)
  .description("ViLT, the vision-and-language transformer, trained and run by a from-scratch autodiff framework.")
  .addCommand(pretrainCommand())
  .addCommand(finetuneCommand())
  .addCommand(ablateCommand())
  .addCommand(evaluateCommand())
  .addCommand(predictCommand())
  .addCommand(embedCommand())
  .addCommand(visualizeCommand())
  .addCommand(profileCommand())
  .addCommand(verifyCommand())
  .addCommand(convertCommand())
  .addCommand(pullCommand());

try {
  await program.parseAsync();
} catch (error) {
  // A failed system call says in its message what failed and at which path.
  const isExpected = error instanceof ViltgradError || (error instanceof Error && "syscall" in error);
  if (!isExpected) throw error;
  process.stderr.write(`viltgrad: ${error.message}\n`);
  process.exitCode = 1;
}
