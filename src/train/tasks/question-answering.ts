import { answerScore, normalizeAnswer } from "../../data/answers.ts";
import type { Question, Questions } from "../../data/examples.ts";
import { fromArray } from "../../tensor/create.ts";
import { questionAnsweringLoss, ViltForQuestionAnswering } from "../../vilt/question-answering.ts";
import { likeliest } from "../metrics.ts";
import { classificationTask } from "./classification.ts";
import { pictureFigure } from "./figures.ts";
import { type FineTuningTask, taskInput } from "./task.ts";

/** Answers that a figure shows. */
const SHOWN = 3;

/** Visual question answering: the soft score of each frequent answer (specification §4.6). */
export function questionAnsweringTask(questions: Questions): FineTuningTask {
  const { choices } = questions;
  const targets = ({ answers }: Question) => {
    const given = answers.map(normalizeAnswer);
    return choices.map((choice) => answerScore(given.filter((answer) => answer === choice).length));
  };
  return classificationTask<Question>({
    ...{ examples: questions, labels: choices, modalityTypes: 2, headMultiplier: 10, targets },
    build({ backbone, rng }) {
      const model = new ViltForQuestionAnswering(backbone, choices.length, { rng });
      return {
        model,
        logits(examples, context, rng) {
          const texts = examples.map(({ question: text, record }) => ({ text, record }));
          const pictures = examples.map(({ picture }) => picture);
          return model.forward(taskInput(texts, pictures, context), rng ? { rng } : {}).logits;
        },
      };
    },
    loss(logits, examples) {
      const scores = Float32Array.from(examples.flatMap(targets));
      return questionAnsweringLoss(
        logits,
        fromArray(scores, [examples.length, choices.length], { device: logits.device }),
      );
    },
    figure(example, logits) {
      const scores = targets(example);
      const shown = likeliest(
        logits.map((logit) => 1 / (1 + Math.exp(-logit))),
        SHOWN,
      );
      const verdicts = shown.map(({ at, share }) => ({ text: choices[at]!, share, isRight: scores[at]! > 0 }));
      return pictureFigure([example.picture], example.question, verdicts);
    },
  });
}
