// The public surface in Node: everything that runs everywhere, and what reads and writes files.
export * from "./browser.ts";

export { type SegmentOptions, segmentChinese } from "./data/chinese-segmenter.ts";
export { EmojiScenes, type EmojiScenesOptions, type Scene } from "./data/emoji-scenes/emoji-scenes.ts";
export { EmojiQuestions } from "./data/emoji-scenes/questions.ts";
export { EmojiStatements } from "./data/emoji-scenes/statements.ts";
export { FolderImages, type FolderOptions } from "./data/folder.ts";
export { decodeImage, encodePng } from "./data/image-file.ts";
export { readVocabularyFile } from "./data/vocabulary-file.ts";
export { type AlignmentPicture, alignmentPicture } from "./train/alignment-picture.ts";
export { type Checkpoint, modelOf, readCheckpoint, saveCheckpoint } from "./train/checkpoint.ts";
export { embedPair, type PairEmbedding } from "./train/embedding.ts";
export { type Evaluation, evaluate } from "./train/evaluation/evaluation.ts";
export { type Foundation, readFoundation } from "./train/foundation.ts";
export { openModelFolder, writeModelFolder } from "./train/model-folder.ts";
export { readPair } from "./train/pair.ts";
export { openPredictor, type Prediction, type Predictor, predict } from "./train/prediction.ts";
export { type Profile, profileStep } from "./train/profile.ts";
export { finishRun } from "./train/report/report.ts";
export { type Run, resumeRun, startRun, train } from "./train/run.ts";
export { type ComparisonOptions, compare, summarize, type Trial } from "./train/tasks/comparison.ts";
export { type Arm, arms, type FineTuningOptions, fineTune, startArm } from "./train/tasks/fine-tuning.ts";
export { openTask, type TaskName, tasks } from "./train/tasks/open.ts";
export { type FineTuningSettings, fineTuningSettings } from "./train/tasks/settings.ts";
export type { FineTuningTask, Trainee } from "./train/tasks/task.ts";
export { verifyFolder } from "./train/verify/verify.ts";
export { svgToPng } from "./viz/png.ts";
