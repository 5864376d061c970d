import type { Rng } from "../../tensor/rng.ts";
import { isHeldOut, type Kind, type Style } from "./nouns.ts";

/** Height and width of the picture in pixels. */
export interface Canvas {
  readonly height: number;
  readonly width: number;
}

export interface PlacedKind {
  readonly kind: Kind;
  /** Side of the square, and its left and top edge, in pixels. */
  readonly size: number;
  readonly x: number;
  readonly y: number;
  readonly flip: boolean;
}

/** Everything that is drawn at random in a scene; the picture and the caption follow from it. */
export interface ScenePlan {
  readonly style: Style;
  /** Colour at half height, and how much lighter the lowest row is than that. */
  readonly background: { readonly color: readonly number[]; readonly gradient: number };
  /** In the order in which the caption names them. */
  readonly things: readonly PlacedKind[];
  /** In [0, 1): chooses among the sentences that are true of the scene. */
  readonly wording: number;
  /** Per channel, value → gain · value + offset. */
  readonly tone: { readonly gain: number; readonly offset: readonly number[] };
}

/** Kinds of one style, by their index in the level's list. */
export type Choice = readonly { readonly kind: Kind; readonly index: number }[];

export interface PlanOptions {
  readonly canvas: Canvas;
  readonly styles: readonly Style[];
  readonly kindsOf: (style: Style) => Choice;
  /** Probability of 1, 2, 3 things. */
  readonly thingCounts: readonly number[];
  /** Held-out pairings: kept away, or one at least in every scene of two things and more. */
  readonly heldOut: "never" | "always";
  readonly augment: boolean;
}

/** Sides in pixels of a 48-pixel picture; other pictures scale them by their shorter side. */
const SINGLE_SIZES = [20, 22, 24, 26, 28, 30, 32];
const QUADRANT_SIZES = [18, 20, 22, 24];

/**
 * The part of scenes with 1, 2, 3 things when a fraction `progress` of training is done: one thing only at the start,
 * then linearly to a third each at 15 %.
 */
export function thingDistribution(progress: number): [number, number, number] {
  const more = Math.min(Math.max(progress, 0) / 0.15, 1) / 3;
  return [1 - 2 * more, more, more];
}

export function drawPlan(rng: Rng, options: PlanOptions): ScenePlan {
  const style = rng.choice(options.styles);
  const count = drawCount(rng, options.thingCounts);
  const kinds = drawKinds(rng, options.kindsOf(style), count, options.heldOut);
  const colored = rng.bernoulli(0.7);
  const color = [0, 1, 2].map(() => (colored ? rng.uniform(0.55, 1) : rng.uniform(0.94, 1)));
  return {
    style,
    background: { color, gradient: rng.uniform(-0.1, 0.1) },
    things: placeKinds(rng, kinds, options.canvas, options.augment),
    wording: rng.uniform(),
    tone: options.augment ? drawTone(rng) : { gain: 1, offset: [0, 0, 0] },
  };
}

function drawCount(rng: Rng, [one = 0, two = 0]: readonly number[]): number {
  const u = rng.uniform();
  if (u < one) return 1;
  return u < one + two ? 2 : 3;
}

/** `count` different kinds, drawn again until the rule on held-out pairings is met. */
function drawKinds(rng: Rng, choice: Choice, count: number, heldOut: PlanOptions["heldOut"]): Kind[] {
  for (;;) {
    const drawn = Array.from({ length: count }, () => rng.choice(choice));
    if (new Set(drawn).size < count) continue;
    const held = drawn.some((a, i) => drawn.slice(i + 1).some((b) => isHeldOut(a.index, b.index)));
    if (count === 1 || held === (heldOut === "always")) return drawn.map(({ kind }) => kind);
  }
}

/** One thing stands anywhere; of more, each stands freely in a quadrant of its own, so that none covers another. */
export function placeKinds(rng: Rng, kinds: readonly Kind[], { height, width }: Canvas, flips: boolean): PlacedKind[] {
  const scale = Math.min(height, width) / 48;
  const [columns, rows] = kinds.length === 1 ? [width, height] : [Math.floor(width / 2), Math.floor(height / 2)];
  const quadrants = rng.permutation(4);
  return kinds.map((kind, i) => {
    const size = Math.round(scale * rng.choice(kinds.length === 1 ? SINGLE_SIZES : QUADRANT_SIZES));
    const quadrant = kinds.length === 1 ? 0 : quadrants[i]!;
    const x = (quadrant % 2) * columns + rng.int(columns - size + 1);
    const y = Math.floor(quadrant / 2) * rows + rng.int(rows - size + 1);
    return { kind, size, x, y, flip: flips && rng.bernoulli(0.5) };
  });
}

/** Brightness ×0.85–1.15, then ±0.05 on each channel, then contrast ×0.85–1.2 about middle grey, as one affine map. */
function drawTone(rng: Rng): ScenePlan["tone"] {
  const brightness = rng.uniform(0.85, 1.15);
  const shifts = [0, 1, 2].map(() => rng.uniform(-0.05, 0.05));
  const contrast = rng.uniform(0.85, 1.2);
  return { gain: brightness * contrast, offset: shifts.map((shift) => (shift - 0.5) * contrast + 0.5) };
}

/**
 * The scene with one thing exchanged for a kind that it does not show; the others stay where they are in half of the
 * cases, otherwise all are placed anew. A coloured thing changes only its colour in half of the cases. The new kind may
 * make a held-out pairing in the picture; the caption of the original scene never names it.
 */
export function exchangeThing(rng: Rng, plan: ScenePlan, options: PlanOptions): ScenePlan {
  const at = rng.int(plan.things.length);
  const old = plan.things[at]!.kind;
  const shown = plan.things.map(({ kind }) => kind);
  const others = options.kindsOf(plan.style).flatMap(({ kind }) => (shown.includes(kind) ? [] : [kind]));
  const recolored = others.filter(({ noun }) => noun === old.noun);
  const kind = rng.choice(recolored.length > 0 && rng.bernoulli(0.5) ? recolored : others);
  const kinds = shown.with(at, kind);
  const things = rng.bernoulli(0.5)
    ? plan.things.with(at, { ...plan.things[at]!, kind })
    : placeKinds(rng, kinds, options.canvas, options.augment);
  return { ...plan, things };
}

/** The scene with its first two things in each other's place, which turns every relation between them around. */
export function exchangePlaces(plan: ScenePlan): ScenePlan {
  const [first, second, ...rest] = plan.things as [PlacedKind, PlacedKind, ...PlacedKind[]];
  return { ...plan, things: [{ ...second, kind: first.kind }, { ...first, kind: second.kind }, ...rest] };
}
