import * as z from "zod/mini";
import { answerScore, normalizeAnswer } from "../../../data/answers.ts";
import { countCorrect, RunningMean, softScore } from "../../metrics.ts";
import type { Check, Claims } from "../comparison.ts";
import type { GoldenCase } from "../golden-case.ts";

const result = z.object({ value: z.optional(z.number()), batch: z.number(), running: z.number() });
const metricsSchema = z.looseObject({
  results: z.object({ accuracy: z.array(result), vqa_score: z.array(result), scalar: z.array(result) }),
});

/**
 * Accuracy, soft score and mean of scalars, of each batch. In the recorded version the value since the last reset is
 * that of the last batch, since reading it resets.
 */
export function verifyMetrics(golden: GoldenCase): Claims {
  const { results } = golden.read(metricsSchema);
  const { atol } = golden.tolerance(["tolerances"], { atol: 1e-6, rtol: 0 });
  const compare = (
    name: string,
    recorded: readonly z.output<typeof result>[],
    measure: (i: number) => number,
  ): Check[] =>
    recorded.flatMap(({ batch, running }, i) => {
      const value = measure(i);
      const near = (expected: number) => (Math.abs(value - expected) <= atol ? expected : value);
      return [
        { name: `${name} ${i}, batch`, actual: near(batch), expected: batch },
        { name: `${name} ${i}, running`, actual: near(running), expected: running },
      ];
    });
  const accuracy = compare("accuracy", results.accuracy, (i) => {
    const { shape, data } = golden.entry(`acc${i}/logits`);
    const { correct, counted } = countCorrect(data, golden.integers(`acc${i}/target`), shape.at(-1)!);
    return correct / counted;
  });
  const vqa = compare("VQA score", results.vqa_score, (i) => {
    const { shape, data } = golden.entry(`vqa${i}/logits`);
    return softScore(data, golden.entry(`vqa${i}/target`).data, shape[1]!);
  });
  const scalar = compare("scalar", results.scalar, (i) => {
    const mean = new RunningMean();
    mean.add(results.scalar[i]!.value!);
    return mean.mean;
  });
  return { claims: [], checks: [...accuracy, ...vqa, ...scalar], inputs: [...golden.tensors.keys()] };
}

const answersSchema = z.looseObject({
  normalize_word: z.array(z.object({ input: z.string(), output: z.string() })),
  get_score: z.array(z.object({ occurrences: z.number(), score: z.number() })),
});

/** Normalised answers and soft scores. */
export function verifyAnswers(golden: GoldenCase): Claims {
  const { normalize_word, get_score } = golden.read(answersSchema);
  const checks = [
    ...normalize_word.map(({ input, output }) => ({
      ...{ name: `normalised ${JSON.stringify(input)}`, actual: normalizeAnswer(input), expected: output },
    })),
    ...get_score.map(({ occurrences, score }) => ({
      ...{ name: `score of ${occurrences}`, actual: answerScore(occurrences), expected: score },
    })),
  ];
  return { claims: [], checks };
}
