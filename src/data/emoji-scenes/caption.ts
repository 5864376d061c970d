import type { Box, Thing } from "../dataset.ts";
import type { Level } from "./nouns.ts";
import type { PlacedKind, ScenePlan } from "./plan.ts";

/** How the place of the first thing of a caption relates to that of the second. */
export type Relation = "to the left of" | "to the right of" | "above" | "below";

/** Whether a relation holds of two boxes: the first lies wholly beyond an edge of the second. */
export const RELATIONS: Readonly<Record<Relation, (a: Box, b: Box) => boolean>> = {
  "to the left of": (a, b) => a.x + a.width <= b.x,
  "to the right of": (a, b) => b.x + b.width <= a.x,
  above: (a, b) => a.y + a.height <= b.y,
  below: (a, b) => b.y + b.height <= a.y,
};

/** Sentences by number of things; a digit stands for the thing of that number. */
const BASIC: readonly (readonly string[])[] = [
  ["a 0", "a photo of a 0"],
  ["a 0 and a 1", "a 0 next to a 1", "a 0 with a 1"],
  ["a 0 , a 1 and a 2", "a 0 and a 1 with a 2"],
];

/** The share of captions that state a relation, where two things are there to relate. */
const RELATION_SHARE = 2 / 3;

export function boxOf({ x, y, size }: PlacedKind): Box {
  return { x, y, width: size, height: size };
}

/**
 * The relations that are true of two boxes: one lies wholly beyond the other's edge. Boxes in two quadrants always have
 * one, and two when the quadrants are diagonal.
 */
export function trueRelations(a: Box, b: Box): Relation[] {
  return (Object.keys(RELATIONS) as Relation[]).filter((relation) => RELATIONS[relation](a, b));
}

/** What a caption says of a plan. */
export interface Description {
  readonly caption: string;
  readonly things: readonly Thing[];
  readonly relation?: Relation;
}

/**
 * The caption of a scene. The article is "a" before any noun, so that it tells nothing about a masked one. A relation
 * stands between the first two things; a comma keeps the third out of it: "a cat above a red apple , and a bell".
 */
export function describe({ things, wording }: ScenePlan, level: Level): Description {
  const boxes = things.map(boxOf);
  const related = level === "hard" && things.length > 1 && wording < RELATION_SHARE;
  if (!related) {
    const share = level === "hard" && things.length > 1 ? (wording - RELATION_SHARE) / (1 - RELATION_SHARE) : wording;
    const sentences = BASIC[things.length - 1]!;
    return spell(sentences[Math.floor(share * sentences.length)]!, things, boxes);
  }
  const relations = trueRelations(boxes[0]!, boxes[1]!);
  const relation = relations[Math.floor((wording / RELATION_SHARE) * relations.length)]!;
  const sentence = `a 0 ${relation} a 1${things.length > 2 ? " , and a 2" : ""}`;
  return { ...spell(sentence, things, boxes), relation };
}

/** Puts the names into a sentence and notes where they stand. */
function spell(sentence: string, things: readonly PlacedKind[], boxes: readonly Box[]): Description {
  const words: string[] = [];
  const named: Thing[] = [];
  for (const word of sentence.split(" ")) {
    const at = Number.parseInt(word, 10);
    if (Number.isNaN(at)) {
      words.push(word);
      continue;
    }
    const { noun, color } = things[at]!.kind;
    if (color) words.push(color);
    named.push({ noun, ...(color && { color }), box: boxes[at]!, words: [words.length, words.length + 1] });
    words.push(noun);
  }
  return { caption: words.join(" "), things: named };
}
