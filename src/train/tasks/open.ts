import { EmojiQuestions } from "../../data/emoji-scenes/questions.ts";
import { EmojiStatements } from "../../data/emoji-scenes/statements.ts";
import { FolderQuestions } from "../../data/folder/questions.ts";
import { FolderStatements } from "../../data/folder/statements.ts";
import type { ViltConfig } from "../../vilt/config.ts";
import type { ViltTask } from "../../vilt/huggingface.ts";
import { drawnScenes, folderOptions, openDataset } from "../data-source.ts";
import { imagePairTask } from "./image-pairs.ts";
import { questionAnsweringTask } from "./question-answering.ts";
import { retrievalTask } from "./retrieval.ts";
import type { FineTuningChanges } from "./settings.ts";
import type { FineTuningTask } from "./task.ts";

/** Tasks, each with what it has when nothing else is said, and with the models of what it makes. */
export const tasks = {
  vqa: { data: "emoji-scenes-hard", settings: { steps: 1500 }, models: "question-answering" },
  nlvr2: { data: "emoji-scenes", settings: {}, models: "image-pairs" },
  retrieval: { data: "emoji-scenes", settings: { batchSize: 8, steps: 600 }, models: "retrieval" },
} as const satisfies Record<string, { data: string; settings: FineTuningChanges; models: ViltTask }>;
export type TaskName = keyof typeof tasks;
export const taskNames = Object.keys(tasks) as TaskName[];

/**
 * A task with its data, whose pictures have the size that the model is made for. Drawn scenes are others than those of
 * pre-training with the same seed.
 */
export async function openTask(
  name: TaskName,
  data: string,
  config: ViltConfig,
  seed: number,
): Promise<FineTuningTask> {
  const drawSeed = `${seed}/fine-tuning`;
  if (name === "retrieval") return retrievalTask(await openDataset(data, config, drawSeed));
  const scenes = drawnScenes(data, config, drawSeed);
  const options = folderOptions(config);
  return name === "vqa"
    ? questionAnsweringTask(scenes ? new EmojiQuestions(scenes, seed) : await FolderQuestions.open(data, options))
    : imagePairTask(scenes ? new EmojiStatements(scenes, seed) : await FolderStatements.open(data, options));
}
