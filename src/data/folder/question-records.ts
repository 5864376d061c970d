import { basename, dirname } from "node:path";
import * as z from "zod/mini";
import { DataError } from "../../tensor/errors.ts";
import { expectSchema } from "../../tensor/expect-schema.ts";
import { majorityAnswer, normalizeAnswer } from "../answers.ts";
import { parseJson } from "../json.ts";
import { findFile, Name, parseLines, readText } from "./records.ts";
import { splitOf } from "./splits.ts";

/** One question about one picture, as a file has it. */
export interface QuestionRecord {
  readonly image: string;
  readonly question: string;
  /** As `normalizeAnswer` gives them, which may be empty. */
  readonly answers: readonly string[];
  /** The answer by which the choices are made; empty where there is none. */
  readonly majority: string;
  readonly split: string;
  readonly record: string;
}

const Line = z.object({
  image: Name,
  question: z.string(),
  answers: z.optional(z.array(z.string())),
  answer: z.optional(z.string()),
  split: z.optional(Name),
});
const Question = z
  .pipe(
    Line.check(
      z.refine(({ answers, answer }) => (answers === undefined) !== (answer === undefined), {
        error: 'expected either "answers" or "answer"',
      }),
    ),
    z.transform(({ answers, answer, ...rest }: z.output<typeof Line>) => {
      return { ...rest, answers: (answers ?? [answer!]).map(normalizeAnswer) };
    }),
  )
  .check(z.refine(({ answers }) => answers.some((answer) => answer !== ""), { error: "there is no answer" }));

/** The official files of VQA v2, as far as they are used. */
const Questions = z.object({
  questions: z.array(z.object({ question_id: z.int(), image_id: z.int().check(z.minimum(0)), question: z.string() })),
});
const Annotations = z.object({
  annotations: z.array(
    z.object({
      question_id: z.int(),
      multiple_choice_answer: z.string(),
      answers: z.array(z.object({ answer: z.string() })),
    }),
  ),
});

/** The last images of val2014, by number, are for validation, all others for training (specification §4.6). */
const VALIDATION_IMAGES = 1000;

const questionsName = (part: string) => `v2_OpenEnded_mscoco_${part}_questions.json`;

/**
 * JSON lines, or the files of VQA v2.
 *
 * @param path a file of questions, or a folder that holds one
 * @throws {DataError} naming the file, the place in it and the field that cannot be used
 */
export async function readQuestions(path: string): Promise<{ file: string; questions: QuestionRecord[] }> {
  const file = await findFile(path, "questions", ["questions.jsonl", questionsName("train2014")]);
  if (basename(file) === questionsName("train2014")) return { file, questions: await readVqaV2(dirname(file)) };
  const questions = parseLines(await readText(file), file, Question).map(({ value, record }) => {
    const { image, question, answers, split } = value;
    return { image, question, answers, majority: majorityAnswer(answers), split: splitOf(split, image), record };
  });
  return { file, questions };
}

async function readVqaV2(folder: string): Promise<QuestionRecord[]> {
  const [train, rest] = [await readPart(folder, "train2014"), await readPart(folder, "val2014")];
  const images = [...new Set(rest.map(({ image }) => image))].sort();
  const validation = new Set(images.slice(-VALIDATION_IMAGES));
  return [...train, ...rest].map((one) => ({ ...one, split: validation.has(one.image) ? "validation" : "train" }));
}

async function readPart(folder: string, part: "train2014" | "val2014"): Promise<Omit<QuestionRecord, "split">[]> {
  const read = async <Value>(name: string, schema: z.ZodMiniType<Value>) => {
    const file = await findFile(folder, "VQA v2", [name]);
    return { file, ...expectSchema(schema, parseJson(await readText(file), file), file) };
  };
  const { annotations } = await read(`v2_mscoco_${part}_annotations.json`, Annotations);
  const annotated = new Map(annotations.map((annotation) => [annotation.question_id, annotation]));
  const { file, questions } = await read(questionsName(part), Questions);
  return questions.map(({ question_id: id, image_id, question }) => {
    const record = `${file}, question ${id}`;
    const annotation = annotated.get(id);
    if (!annotation) throw new DataError(`${record}: there are no answers`);
    return {
      image: `${part}/COCO_${part}_${String(image_id).padStart(12, "0")}.jpg`,
      question,
      answers: annotation.answers.map(({ answer }) => normalizeAnswer(answer)),
      majority: normalizeAnswer(annotation.multiple_choice_answer),
      record,
    };
  });
}
