import { crossEntropy } from "../../autograd/functions/cross-entropy.ts";
import type { Examples, Statement } from "../../data/examples.ts";
import { fromArray } from "../../tensor/create.ts";
import { ViltForImagePairs } from "../../vilt/image-pair-classification.ts";
import { classificationTask } from "./classification.ts";
import { pictureFigure } from "./figures.ts";
import { type FineTuningTask, taskInput } from "./task.ts";

const LABELS = ["False", "True"];

/** Whether a statement about two pictures is true, as in NLVR2 (specification §4.7). */
export function imagePairTask(statements: Examples<Statement>): FineTuningTask {
  return classificationTask<Statement>({
    ...{ examples: statements, labels: LABELS, modalityTypes: 3, headMultiplier: 1 },
    build({ backbone, rng }) {
      const model = new ViltForImagePairs(backbone, { rng });
      return {
        model,
        logits(examples, context, rng) {
          const texts = examples.map(({ statement: text, record }) => ({ text, record }));
          const inputs = [0, 1].map((side) =>
            taskInput(
              texts,
              examples.map(({ pictures }) => pictures[side]!),
              context,
            ),
          );
          return model.forward(inputs, rng ? [{ rng: rng.split("left") }, { rng: rng.split("right") }] : []).logits;
        },
      };
    },
    targets: ({ isTrue }) => [Number(!isTrue), Number(isTrue)],
    loss(logits, examples) {
      const labels = Int32Array.from(examples, ({ isTrue }) => Number(isTrue));
      return crossEntropy(logits, fromArray(labels, [labels.length], { device: logits.device }));
    },
    figure({ pictures, statement, isTrue }, [no, yes]) {
      const share = 1 / (1 + Math.exp(no! - yes!));
      const says = share > 0.5;
      const verdict = { text: String(says), share: says ? share : 1 - share, isRight: says === isTrue };
      return pictureFigure(pictures, statement, [verdict]);
    },
  });
}
