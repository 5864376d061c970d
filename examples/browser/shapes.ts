import {
  type Box,
  type CaptionedImages,
  DataError,
  Rng,
  type Sample,
  type SampleOptions,
  vocabularyOf,
} from "viltgrad";

const SIDE = 32;

/** Whether a point of the square [−1, 1]² belongs to the shape; plain arithmetic, so that every engine draws the same. */
const SHAPES: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9,
  triangle: (x, y) => y <= 0.9 && y + 1 >= 2 * Math.abs(x),
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1,
  ring: (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.3,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.3 && Math.max(Math.abs(x), Math.abs(y)) <= 1,
};

const COLORS: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [0.84, 0.15, 0.16],
  green: [0.17, 0.6, 0.24],
  blue: [0.12, 0.35, 0.8],
  yellow: [0.95, 0.77, 0.1],
  purple: [0.52, 0.24, 0.68],
  black: [0.12, 0.12, 0.14],
};

/** How the first of two shapes lies to the second, and in which half of the picture it then is. */
const RELATIONS = { "left of": [0, 0], "right of": [1, 0], above: [0, 0], below: [0, 1] } as const;
type Relation = keyof typeof RELATIONS;

interface Kind {
  readonly shape: string;
  readonly color: string;
}

interface Placed extends Kind {
  readonly box: Box;
}

/**
 * Pictures of one or two coloured shapes with captions such as "a red ring above a blue square", drawn on demand from the
 * seed and the index alone: the same pixels in Node and in every browser. Training begins with single shapes.
 */
export class Shapes implements CaptionedImages {
  readonly name = "shapes";
  readonly splits = ["train", "validation"];
  readonly #rng: Rng;

  constructor(seed: number) {
    this.#rng = new Rng(seed).split("shapes");
  }

  size(split: string): number {
    if (!this.splits.includes(split)) throw new DataError(`shapes: no split "${split}"`);
    return Infinity;
  }

  sample(split: string, index: number, { progress = 1 }: SampleOptions = {}): Sample {
    const rng = this.#rng.split(`${split}/${index}`);
    const light = rng.uniform(0.8, 1);
    const picture = `${split} ${index}`;
    // Two shapes from the start would be hard to learn; after a fifth of the training they are in every second picture.
    const isPair = rng.bernoulli(Math.min(progress / 0.2, 1) / 2);
    const { things, caption } = isPair ? drawPair(rng) : drawOne(rng);
    const image = paint(things, light);
    return { image, height: SIDE, width: SIDE, caption, picture, record: `shapes, ${picture}` };
  }

  vocabulary(): string[] {
    const relations = Object.keys(RELATIONS).flatMap((relation) => relation.split(" "));
    return vocabularyOf(["a", "and", ...relations, ...Object.keys(COLORS), ...Object.keys(SHAPES)]);
  }
}

function drawOne(rng: Rng) {
  const [kind] = drawKinds(rng);
  const thing = place(rng, kind, { x: 0, y: 0, width: SIDE, height: SIDE }, 14 + rng.int(11));
  return { things: [thing], caption: `a ${thing.color} ${thing.shape}` };
}

/** Each shape has a half of the picture to itself, so that what the caption says of their places is true. */
function drawPair(rng: Rng) {
  const relation = rng.choice(Object.keys(RELATIONS) as Relation[]);
  const [column, row] = RELATIONS[relation];
  const isBeside = relation === "left of" || relation === "right of";
  const half = { width: isBeside ? SIDE / 2 : SIDE, height: isBeside ? SIDE : SIDE / 2 };
  const areaOf = (column: number, row: number): Box => ({ x: column * half.width, y: row * half.height, ...half });
  const kinds = drawKinds(rng);
  const first = place(rng, kinds[0], areaOf(column, row), 12 + rng.int(4));
  const second = place(rng, kinds[1], areaOf(isBeside ? 1 - column : 0, isBeside ? 0 : 1 - row), 12 + rng.int(4));
  const words = rng.bernoulli(0.5) ? relation : "and";
  return {
    things: [first, second],
    caption: `a ${first.color} ${first.shape} ${words} a ${second.color} ${second.shape}`,
  };
}

/** Two kinds that differ in shape and colour. */
function drawKinds(rng: Rng): [Kind, Kind] {
  const [shapes, colors] = [rng.shuffle(Object.keys(SHAPES)), rng.shuffle(Object.keys(COLORS))];
  return [
    { shape: shapes[0]!, color: colors[0]! },
    { shape: shapes[1]!, color: colors[1]! },
  ];
}

function place(rng: Rng, kind: Kind, { x, y, width, height }: Box, size: number): Placed {
  const box = { x: x + rng.int(width - size + 1), y: y + rng.int(height - size + 1), width: size, height: size };
  return { ...kind, box };
}

/** Points per pixel and axis at which a shape is sampled: soft edges. */
const SAMPLES = 4;

function paint(things: readonly Placed[], light: number): Float32Array {
  const image = new Float32Array(3 * SIDE * SIDE).fill(2 * light - 1);
  for (const { shape, color, box } of things)
    for (let row = box.y; row < box.y + box.height; row++)
      for (let column = box.x; column < box.x + box.width; column++) {
        const share = coverage(SHAPES[shape]!, box, column, row);
        for (const [c, value] of COLORS[color]!.entries()) {
          const at = (c * SIDE + row) * SIDE + column;
          image[at] = share * (2 * value - 1) + (1 - share) * image[at]!;
        }
      }
  return image;
}

/** The part of a pixel that a shape covers. */
function coverage(isInside: (x: number, y: number) => boolean, box: Box, column: number, row: number): number {
  let hits = 0;
  for (let i = 0; i < SAMPLES; i++)
    for (let j = 0; j < SAMPLES; j++) {
      const x = (2 * (column - box.x + (i + 0.5) / SAMPLES)) / box.width - 1;
      const y = (2 * (row - box.y + (j + 0.5) / SAMPLES)) / box.height - 1;
      if (isInside(x, y)) hits++;
    }
  return hits / SAMPLES ** 2;
}
