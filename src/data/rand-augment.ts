import { ConfigError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import * as colors from "./color-operations.ts";
import * as geometry from "./geometric-operations.ts";
import type { RgbImage } from "./image.ts";

/** One way to change a picture. */
export interface AugmentOperation {
  /** What magnitude 0 and the greatest magnitude mean, in the operation's own unit; null where it has no degree. */
  readonly range: readonly [number, number] | null;
  /** Whether the sign of the value is drawn. */
  readonly signed: boolean;
  readonly apply: (picture: RgbImage, value: number) => RgbImage;
}

type Apply = AugmentOperation["apply"];
const whole = (apply: Apply): AugmentOperation => ({ range: null, signed: false, apply });
const graded = (min: number, max: number, apply: Apply): AugmentOperation => ({
  ...{ range: [min, max], signed: false, apply },
});
const signed = (max: number, apply: Apply): AugmentOperation => ({ range: [0, max], signed: true, apply });

/** The operations by name, each equal to Pillow 9.4 pixel by pixel. */
export const augmentOperations = {
  Identity: whole((picture) => picture),
  AutoContrast: whole(colors.autoContrast),
  Equalize: whole(colors.equalize),
  /** Degrees. */
  Rotate: signed(30, geometry.rotate),
  /** Bits that are kept: fewer at a small magnitude. */
  Posterize: graded(0, 4, colors.posterize),
  /** The value from which on colours are inverted: fewer at a great magnitude. */
  Solarize: graded(0, 256, colors.solarize),
  SolarizeAdd: graded(0, 110, colors.solarizeAdd),
  Color: graded(0.1, 1.9, colors.color),
  Contrast: graded(0.1, 1.9, colors.contrast),
  Brightness: graded(0.1, 1.9, colors.brightness),
  Sharpness: graded(0.1, 1.9, colors.sharpness),
  ShearX: signed(0.3, geometry.shearX),
  ShearY: signed(0.3, geometry.shearY),
  /** Pixels of the picture as it is, whatever its size. */
  TranslateX: signed(100, geometry.translateX),
  TranslateY: signed(100, geometry.translateY),
} as const satisfies Readonly<Record<string, AugmentOperation>>;

export type AugmentOperationName = keyof typeof augmentOperations;

/** What is drawn from. Neither list has inversion, as captions name colours, nor cutout, which could hide a small thing. */
export const augmentLists = {
  /** The authors' code. */
  original: [
    ...(["AutoContrast", "Equalize", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast"] as const),
    ...(["Brightness", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY"] as const),
  ],
  /** The published lecture: Identity in place of SolarizeAdd. */
  slide: [
    ...(["Identity", "AutoContrast", "Equalize", "Rotate", "Solarize", "Color", "Posterize", "Contrast"] as const),
    ...(["Brightness", "Sharpness", "ShearX", "ShearY", "TranslateX", "TranslateY"] as const),
  ],
} as const satisfies Readonly<Record<string, readonly AugmentOperationName[]>>;

export type AugmentListName = keyof typeof augmentLists;

/** The magnitude that stands for the end of every range. */
export const GREATEST_MAGNITUDE = 30;

export interface RandAugmentOptions {
  /** N, how many operations follow each other. */
  readonly operations?: number;
  /** M, from 0 to 30. */
  readonly magnitude?: number;
  readonly list?: AugmentListName;
  readonly rng: Rng;
}

/** An operation with its value, the sign included. */
export interface DrawnOperation {
  readonly name: AugmentOperationName;
  readonly value: number;
}

/** v = M/30 · (max − min) + min; 0 for an operation without a degree. */
export function augmentValue(name: AugmentOperationName, magnitude: number): number {
  if (!(magnitude >= 0 && magnitude <= GREATEST_MAGNITUDE))
    throw new ConfigError(`RandAugment: a magnitude of ${magnitude} is not from 0 to ${GREATEST_MAGNITUDE}`);
  const { range } = augmentOperations[name];
  return range ? (magnitude / GREATEST_MAGNITUDE) * (range[1] - range[0]) + range[0] : 0;
}

/** N operations drawn with replacement, each as likely; then for each geometric one whether its value is negated. */
export function drawOperations({ operations = 2, magnitude = 9, list = "original", rng }: RandAugmentOptions) {
  if (!(Number.isInteger(operations) && operations >= 0))
    throw new ConfigError(`RandAugment: ${operations} is no number of operations`);
  const names = Array.from({ length: operations }, () => rng.choice<AugmentOperationName>(augmentLists[list]));
  return names.map((name): DrawnOperation => {
    const value = augmentValue(name, magnitude);
    return { name, value: augmentOperations[name].signed && rng.bernoulli(0.5) ? -value : value };
  });
}

/**
 * RandAugment (Cubuk et al. 2020) as ViLT changes it (Kim et al. 2021, §3.4): N drawn operations of magnitude M, on the
 * picture in its own size, before it is resized. The picture that is given stays as it is.
 *
 * @throws {ConfigError} for a magnitude that is not from 0 to 30
 */
export function randAugment(picture: RgbImage, options: RandAugmentOptions): RgbImage {
  return drawOperations(options).reduce(
    (changed, { name, value }) => augmentOperations[name].apply(changed, value),
    picture,
  );
}
