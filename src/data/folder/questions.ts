import { DataError } from "../../tensor/errors.ts";
import { frequentAnswers } from "../answers.ts";
import type { SampleOptions } from "../dataset.ts";
import type { Question, Questions } from "../examples.ts";
import { type FolderOptions, FolderPictures } from "./pictures.ts";
import { type QuestionRecord, readQuestions } from "./question-records.ts";
import { checkSome, checkWords } from "./records.ts";
import { Splits } from "./splits.ts";

/** The splits whose questions make the choices, and must have one of them as an answer (specification §4.6). */
const CHOSEN_FROM: readonly string[] = ["train", "validation"];

/**
 * A folder of pictures with questions: JSON lines `{"image": path, "question": text, "answers": [text, …]}`, with what
 * each annotator answered, or `"answer"` where one speaks for all; optionally with `"split"`, which is taken or dealt
 * out as that of captions. Or the files of VQA v2 under their own names, beside the pictures in `train2014` and
 * `val2014`.
 *
 * The choices are the `frequentAnswers` to the questions for training and validation; of these, a question that has
 * none of them as an answer is left out. Other splits keep it: no choice is right there.
 */
export class FolderQuestions implements Questions {
  readonly name: string;
  readonly splits: readonly string[];
  readonly #items: Splits<QuestionRecord>;
  readonly #pictures: FolderPictures;

  private constructor(
    items: Splits<QuestionRecord>,
    pictures: FolderPictures,
    readonly choices: readonly string[],
  ) {
    this.name = items.name;
    this.splits = items.splits;
    this.#items = items;
    this.#pictures = pictures;
  }

  /**
   * @param path a file of questions, or a folder that holds `questions.jsonl` or the four files of VQA v2
   * @throws {DataError} naming the file and the line that cannot be used: not JSON, a field missing or of another type,
   *   an empty question, no answer, an image that does not exist or lies outside the folder; or the file, when no
   *   question for training is left
   */
  static async open(path: string, options: FolderOptions): Promise<FolderQuestions> {
    const { file, questions } = await readQuestions(path);
    checkSome(questions, "questions", file);
    const pictures = new FolderPictures(file, options);
    for (const { image, question, record } of questions) {
      checkWords(question, "question", record);
      await pictures.check(image, record);
    }
    const choosing = questions.filter(({ split }) => CHOSEN_FROM.includes(split));
    const choices = frequentAnswers(choosing.map(({ majority }) => majority));
    const known = new Set(choices);
    const isKept = ({ split, answers }: QuestionRecord) =>
      !CHOSEN_FROM.includes(split) || answers.some((a) => known.has(a));
    const kept = new Splits(file, questions.filter(isKept));
    if (kept.size("train") === 0)
      throw new DataError(`${file}: there is no question of the split "train" with a frequent answer`);
    return new FolderQuestions(kept, pictures, choices);
  }

  size(split: string): number {
    return this.#items.size(split);
  }

  async example(split: string, index: number, options?: SampleOptions): Promise<Question> {
    const { image, question, answers, majority, record } = this.#items.at(split, index);
    const picture = await this.#pictures.read(image, record, options);
    return { picture, question, answers, kind: kindOf(majority), record };
  }

  *texts(): Generator<{ text: string; record: string }> {
    for (const { question: text, record } of this.#items) yield { text, record };
  }
}

/** The kinds of VQA v2. */
function kindOf(answer: string): string {
  if (answer === "yes" || answer === "no") return "yes or no";
  return /^\d+(\.\d+)?$/.test(answer) ? "number" : "other";
}
