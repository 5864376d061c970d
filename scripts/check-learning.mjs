// node scripts/check-learning.mjs RESULT.json: fails unless a run of `npm start --json` learnt what it should.
import { readFileSync } from "node:fs";

/** Least scores on new scenes and in the unseen style; a single run is 0.02 to 0.03 off the mean of many. */
const least = {
  "matching accuracy": [0.88, 0.85, ({ matching }) => matching.score],
  "masked noun accuracy": [0.5, 0.4, ({ maskedWords }) => maskedWords.score],
  "image to text recall@1": [0.3, 0.2, ({ textRetrieval }) => textRetrieval.at1],
  "pointing, final layer": [0.7, 0.65, ({ pointing }) => pointing.final.score],
  "pointing, embedding layer": [0.7, 0.7, ({ pointing }) => pointing.embedding.score],
};

const { finished, evaluations } = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (!finished) throw new Error("the run did not finish");
const [validation, unseen] = ["validation", "unseen-style"].map((name) =>
  evaluations.find(({ split }) => split === name),
);
const failures = Object.entries(least).flatMap(([name, [leastNew, leastUnseen, scoreOf]]) => {
  const scores = [scoreOf(validation), scoreOf(unseen)];
  console.log(
    `${name}: ${scores.map((score) => score.toFixed(3)).join(" and ")} (at least ${leastNew} and ${leastUnseen})`,
  );
  return scores[0] >= leastNew && scores[1] >= leastUnseen ? [] : [name];
});
if (failures.length > 0) {
  console.error(`not learnt: ${failures.join(", ")}`);
  process.exit(1);
}
