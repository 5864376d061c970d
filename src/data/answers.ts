/** Words of answers about numbers, as the VQA evaluation writes them. */
const NUMBERS: Readonly<Record<string, string>> = {
  ...{ none: "0", zero: "0", one: "1", two: "2", three: "3", four: "4", five: "5" },
  ...{ six: "6", seven: "7", eight: "8", nine: "9", ten: "10" },
};
const ARTICLES = new Set(["a", "an", "the"]);

/** Contractions that people type without their apostrophes; what is a word of its own without ("its", "were") is not one. */
const CONTRACTIONS = new Map(
  `ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
  I'm I've isn't it'd it'll let's ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't
  she'd she's should've shouldn't somebody'd somebody'll somebody's someone'd someone'll someone's something'd
  something'll that'd that's there'd there're there's they'd they'll they're they've 'twas wasn't we've weren't
  what'll what're what's what've when's where'd where's where've who'd who'll who's who've why'll why're why's
  won't would've wouldn't y'all you'd you'll you're you've`
    .split(/\s+/)
    .map((word) => [word.toLowerCase().replaceAll("'", ""), word] as const),
);

const PUNCTUATION = [...';/[]"{}()=+\\_->< @`,?!'].filter((mark) => mark !== " ");

/**
 * An answer as the VQA v2 evaluation compares it: lower case, punctuation dropped where it stands beside a space (or
 * anywhere, in a text with a number such as 1,000) and a space elsewhere, number words as digits, no articles, and
 * apostrophes put back (specification §4.6).
 */
export function normalizeAnswer(answer: string): string {
  const hasThousands = /\d,\d/.test(answer);
  let text = answer;
  for (const mark of PUNCTUATION) {
    const drops = hasThousands || answer.includes(`${mark} `) || answer.includes(` ${mark}`);
    text = text.replaceAll(mark, drops ? "" : " ");
  }
  const words = text
    .replace(/\.(?!\d)/g, "")
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => NUMBERS[word] ?? word)
    .filter((word) => !ARTICLES.has(word));
  return words.map((word) => CONTRACTIONS.get(word) ?? word).join(" ");
}

/**
 * The soft score of an answer that so many of the annotators gave: min(1, 3 · occurrences / annotators), which is 0, .3,
 * .6, .9, then 1 for the ten annotators of VQA v2 (specification §4.6). The share counts, so that one answer that
 * speaks for all scores 1.
 */
export function answerScore(occurrences: number, annotators = 10): number {
  return Math.min(1, (3 * occurrences) / annotators);
}

/** The answer that most annotators gave; of those that as many gave, the one that was given first. Empty ones are none. */
export function majorityAnswer(answers: readonly string[]): string {
  let [majority, most] = ["", 0];
  for (const [answer, count] of countEach(answers)) if (count > most) [majority, most] = [answer, count];
  return majority;
}

/** Of VQA v2, where the one threshold leaves the other number of answers (specification §4.6). */
const MOST_CHOICES = 3129;
const HIGHEST_THRESHOLD = 9;

/**
 * The answers among which a model chooses: those that are the majority's for at least n questions, in the order in
 * which they first appear. VQA v2 takes n = 9, which leaves 3129; of fewer questions that would leave few or none. So n
 * is the least number, at most 9, that leaves no more than 3129: 9 for VQA v2, and 1 for a small folder, where every
 * majority answer is a choice.
 *
 * @param majorities the majority answer of each question for training and validation
 */
export function frequentAnswers(majorities: readonly string[]): string[] {
  const counts = [...countEach(majorities)];
  const atLeast = (n: number) => counts.filter(([, count]) => count >= n).map(([answer]) => answer);
  let n = 1;
  while (n < HIGHEST_THRESHOLD && atLeast(n).length > MOST_CHOICES) n++;
  return atLeast(n);
}

function countEach(answers: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const answer of answers) if (answer !== "") counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return counts;
}
