import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import * as z from "zod/mini";
import { noGrad } from "../autograd/graph.ts";
import { parseJson } from "../data/json.ts";
import {
  parseSafetensors,
  parseSafetensorsHeader,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../data/safetensors.ts";
import { Tokenizer } from "../data/tokenizer.ts";
import { problemsOf } from "../nn/module.ts";
import { fromArray, type Placement } from "../tensor/create.ts";
import { DataError, formatShape } from "../tensor/errors.ts";
import { expectSchema } from "../tensor/expect-schema.ts";
import { parseViltConfig, type ViltConfig, type WordPatchAlignmentConfig } from "../vilt/config.ts";
import { ViltForPretraining } from "../vilt/pretraining.ts";
import { writeFileAtomic } from "./files.ts";
import { Pretrainer, type PretrainerOptions } from "./pretrainer.ts";
import { parseSettings, type TrainingSettings } from "./settings.ts";

/** What the checkpoint of a run folder is called. */
export const CHECKPOINT_FILE = "model.safetensors";
const FORMAT = "viltgrad-pretraining-1";
const [PARAMETER, MOMENT] = ["model/", "optimizer/"];

/** Where the data of a run come from, as the command line names it. */
export const DataSource = z.strictObject({ name: z.string(), truncate: z.boolean() });
export type DataSource = z.infer<typeof DataSource>;

/** Everything a run needs to go on, beside its tensors; all that is drawn depends on the seed and the step alone. */
export interface RunState {
  readonly preset: string;
  readonly model: ViltConfig;
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
  readonly settings: TrainingSettings;
  readonly seed: number;
  readonly data: DataSource;
  readonly vocabulary: readonly string[];
  /** The checkpoint folder that it started from, if it was one. */
  readonly from?: string | undefined;
  /** Steps taken: the position in the data, in the schedule and in all streams of random numbers. */
  readonly step: number;
}

export interface Checkpoint {
  readonly file: string;
  readonly state: RunState;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/**
 * Writes parameters, moments and state into one file, atomically.
 *
 * @throws {DataError} for a value that is not finite: nobody could go on from there, so the old file stays
 */
export async function saveCheckpoint(
  file: string,
  pretrainer: Pretrainer,
  state: Omit<RunState, "step">,
): Promise<void> {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array | Float64Array | Int32Array }>();
  for (const [name, { value }] of pretrainer.model.namedParameters())
    tensors.set(PARAMETER + name, { shape: value.shape, data: await value.data() });
  for (const [name, moment] of pretrainer.optimizer.moments())
    tensors.set(MOMENT + name, { shape: moment.shape, data: await moment.data() });
  for (const [name, tensor] of tensors)
    for (const problem of problemsOf(name, tensor, tensor.shape))
      throw new DataError(`step ${pretrainer.step}: not saved, ${file} is as it was: ${problem}`);
  const metadata = { format: FORMAT, state: JSON.stringify({ ...state, step: pretrainer.step }) };
  writeFileAtomic(file, serializeSafetensors(tensors, metadata));
}

/**
 * Reads a checkpoint, from its file or its run folder.
 *
 * @throws {DataError} naming the file and what is wrong with it: missing, truncated, of another format
 */
export function readCheckpoint(fileOrFolder: string): Checkpoint {
  const isFolder = existsSync(fileOrFolder) && statSync(fileOrFolder).isDirectory();
  const file = isFolder ? path.join(fileOrFolder, CHECKPOINT_FILE) : fileOrFolder;
  if (!existsSync(file)) throw new DataError(`${file}: no checkpoint there; viltgrad pretrain writes one`);
  const bytes = readFileSync(file);
  const tensors = parseSafetensors(bytes, file);
  const { metadata } = parseSafetensorsHeader(bytes, bytes.length, file);
  if (metadata.get("format") !== FORMAT)
    throw new DataError(`${file}: the header's format is ${metadata.get("format") ?? "not given"}, expected ${FORMAT}`);
  return { file, state: parseState(metadata.get("state") ?? "", file), tensors };
}

const StateShape = z.object({
  preset: z.string(),
  model: z.unknown(),
  wordPatchAlignment: z.array(
    z.strictObject({
      layer: z.enum(["final", "embedding"]),
      weight: z.number(),
      beta: z.number(),
      iterations: z.number(),
    }),
  ),
  settings: z.unknown(),
  seed: z.int(),
  data: DataSource,
  vocabulary: z.array(z.string()),
  from: z.optional(z.string()),
  step: z.int().check(z.minimum(0)),
});

function parseState(text: string, file: string): RunState {
  const record = `${file}: the header's state cannot be used`;
  const state = expectSchema(StateShape, parseJson(text, record), record);
  return { ...state, model: parseViltConfig(state.model, file), settings: parseSettings(state.settings, file) };
}

/** The model of a checkpoint with its tokenizer, for everything but training. */
export function modelOf(
  { file, state, tensors }: Checkpoint,
  placement?: Placement,
): { model: ViltForPretraining; tokenizer: Tokenizer } {
  const model = new ViltForPretraining(state.model, { rng: null, ...placement });
  model.loadParameters(withPrefix(tensors, PARAMETER), file);
  return { model, tokenizer: new Tokenizer(state.vocabulary, file) };
}

/** The trainer of a checkpoint, as it was when it was written. */
export function pretrainerOf({ file, state, tensors }: Checkpoint, placement?: Placement): Pretrainer {
  const options: PretrainerOptions = { ...state, ...(placement && { placement }) };
  const pretrainer = new Pretrainer(options);
  pretrainer.model.loadParameters(withPrefix(tensors, PARAMETER), file);
  const moments = withPrefix(tensors, MOMENT);
  noGrad(() => {
    const restored = [...pretrainer.optimizer.moments()].map(([name, { shape, dtype, device }]) => {
      const entry = moments.get(name);
      if (!entry) throw new DataError(`${file}: missing ${MOMENT}${name} ${formatShape(shape)}`);
      const [problem] = problemsOf(MOMENT + name, entry, shape);
      if (problem) throw new DataError(`${file}: ${problem}`);
      return [name, fromArray(entry.data, shape, { dtype, device })] as const;
    });
    pretrainer.optimizer.restore(new Map(restored), state.step);
  });
  return pretrainer;
}

function withPrefix(tensors: ReadonlyMap<string, SafetensorsEntry>, prefix: string): Map<string, SafetensorsEntry> {
  return new Map(
    [...tensors].flatMap(([name, entry]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), entry]] : [])),
  );
}
