import t from "tap";
import { answerScore, frequentAnswers, majorityAnswer, normalizeAnswer } from "../../src/data/answers.ts";

const times = <T>(n: number, value: T): T[] => Array<T>(n).fill(value);

t.test("answerScore: a third of the annotators is enough, however many they are", async (t) => {
  t.strictSame(
    [0, 1, 2, 3, 4, 10].map((n) => answerScore(n)),
    [0, 0.3, 0.6, 0.9, 1, 1],
    "of ten, as in the specification",
  );
  t.strictSame([answerScore(0, 1), answerScore(1, 1)], [0, 1], "one speaks for all");
  t.strictSame([answerScore(1, 3), answerScore(1, 5), answerScore(2, 20)], [1, 0.6, 0.3]);
});

t.test("majorityAnswer: the first of those that as many gave; what is empty is no answer", async (t) => {
  t.equal(majorityAnswer(["grey", "black", "white", "black"]), "black");
  t.equal(majorityAnswer(["grey", "black", "black", "grey"]), "grey");
  t.equal(majorityAnswer(["", "", "cat"]), "cat");
  t.equal(majorityAnswer(["__proto__", "constructor", "constructor"]), "constructor");
  t.equal(majorityAnswer([""]), "");
  t.equal(majorityAnswer([]), "");
});

t.test("frequentAnswers: the least threshold that leaves 3129, but no more than 9", async (t) => {
  t.strictSame(frequentAnswers(["cat", "", "dog", "cat", "ant"]), ["cat", "dog", "ant"], "by first appearance");
  t.strictSame(frequentAnswers([]), []);
  const distinct = (n: number, name: string, count: number) =>
    Array.from({ length: n }, (_, i) => times(count, `${name} ${i}`)).flat();
  t.equal(frequentAnswers(distinct(3129, "once", 1)).length, 3129);
  const many = [...distinct(3000, "once", 1), ...distinct(130, "twice", 2)];
  t.strictSame(frequentAnswers(many), [...new Set(distinct(130, "twice", 2))], "3130 are too many");
  t.equal(frequentAnswers([...distinct(3000, "nine", 9), ...distinct(130, "eight", 8)]).length, 3000);
  t.equal(frequentAnswers(distinct(4000, "nine", 9)).length, 4000, "nine times is enough in any data");
  t.strictSame(frequentAnswers(distinct(3200, "once", 1)), [], "nothing is frequent in these");
});

t.test("normalizeAnswer: what is normalised stays as it is", async (t) => {
  for (const answer of ["The CAT.", "1,000 dollars", "a dont know", "none", "o'clock", "it's-a-me", ". -5", "?"])
    t.equal(normalizeAnswer(normalizeAnswer(answer)), normalizeAnswer(answer), answer);
});
