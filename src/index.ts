// The public surface in Node: everything that runs everywhere, and what reads and writes files.
export * from "./browser.ts";

export { type SegmentOptions, segmentChinese } from "./data/chinese-segmenter.ts";
export { EmojiScenes, type EmojiScenesOptions, type Scene } from "./data/emoji-scenes/emoji-scenes.ts";
export { FolderImages, type FolderOptions } from "./data/folder.ts";
export { decodeImage, encodePng } from "./data/image-file.ts";
export { readVocabularyFile } from "./data/vocabulary-file.ts";
export { type AlignmentPicture, alignmentPicture } from "./train/alignment-picture.ts";
export { type Checkpoint, modelOf, readCheckpoint, saveCheckpoint } from "./train/checkpoint.ts";
export { embedPair, type PairEmbedding } from "./train/embedding.ts";
export { type Evaluation, evaluate } from "./train/evaluation/evaluation.ts";
export { readPair } from "./train/pair.ts";
export { type Profile, profileStep } from "./train/profile.ts";
export { finishRun } from "./train/report/report.ts";
export { type Run, resumeRun, startRun, train } from "./train/run.ts";
export { verifyFolder } from "./train/verify/verify.ts";
export { svgToPng } from "./viz/png.ts";
