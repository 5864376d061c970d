import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type AugmentListName, augmentLists, GREATEST_MAGNITUDE } from "../data/rand-augment.ts";
import { deviceNames, setDefaultDevice } from "../tensor/backend.ts";
import { gpuDeviceNames, loadGpu, setBlas, setThreads } from "../tensor/devices.ts";
import { DeviceError } from "../tensor/errors.ts";

/** Whole number of at least `least`. */
export function wholeNumber(least = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`a whole number from ${least} on is needed.`);
    return value;
  };
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("a positive number is needed.");
  return value;
}

/** A number from 0 to 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("a number from 0 to 1 is needed.");
  return value;
}

/** N and M of RandAugment, as "2,9", and optionally the list of operations, as "2,9,slide". */
export function randAugmentOption(text: string): { operations: number; magnitude: number; list?: AugmentListName } {
  const [, n, m, name] = /^(\d+),(\d+(?:\.\d+)?)(?:,(\w+))?$/.exec(text) ?? [];
  const list = (Object.keys(augmentLists) as AugmentListName[]).find((known) => known === name);
  const [operations, magnitude] = [Number(n), Number(m)];
  const known = list !== undefined || name === undefined;
  if (!(operations >= 1 && magnitude <= GREATEST_MAGNITUDE && known))
    throw new InvalidArgumentError(
      `a number of operations and a magnitude up to ${GREATEST_MAGNITUDE} are needed, as 2,9; optionally a list, ${Object.keys(augmentLists).join(" or ")}.`,
    );
  return { operations, magnitude, ...(list && { list }) };
}

/** A command with the option that all commands share. */
export function plainCommand(name: string, description: string) {
  return new Command(name)
    .description(description)
    .option("--json", "print one JSON object on standard output", false)
    .showHelpAfterError("(--help lists the options)");
}

/** A command that computes, with the options that all of those share. */
export function commonCommand(name: string, description: string) {
  return plainCommand(name, description)
    .addOption(
      new Option("--device <name>", "where tensors live and kernels run")
        .choices([...new Set([...deviceNames(), ...gpuDeviceNames])].filter((name) => name !== "meta"))
        .default("wasm"),
    )
    .option("--threads <n>", "threads of the wasm device (default: one for each core)", wholeNumber(1))
    .option(
      "--blas [library]",
      "let OpenBLAS, MKL or Accelerate multiply matrices on the wasm device (needs npm i koffi)",
    )
    .option("--seed <n>", "seed of everything random", wholeNumber(), 0);
}

/** Makes the device of the common options the default one; plain `gpu` says which mode it is. */
export async function useDevice({ device, threads, blas }: DeviceOptions): Promise<void> {
  const [name, mode] = device.split(":");
  const found = name === "gpu" ? await loadGpu(mode) : device;
  if (found !== device) remark(`Device gpu is ${found} here.`);
  setDefaultDevice(found);
  if (threads !== undefined) setThreads(threads);
  if (blas === undefined) return;
  try {
    remark(`Matrix products by ${setBlas(typeof blas === "string" ? blas : "auto")}.`);
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    remark(`${error.message}; WebAssembly computes alone.`);
  }
}

interface DeviceOptions {
  readonly device: string;
  readonly threads?: number | undefined;
  /** A library, or true for any. */
  readonly blas?: string | boolean | undefined;
}

/** What a command found: one JSON object for programs, or text for people, on standard output. */
export function printResult(json: boolean, result: object, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${text}\n`);
}

/** Progress and remarks go to standard error, so that standard output stays clean. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}
