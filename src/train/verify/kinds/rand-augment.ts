import * as z from "zod/mini";
import { invert } from "../../../data/color-operations.ts";
import { mirror, translateX, translateY } from "../../../data/geometric-operations.ts";
import type { RgbImage } from "../../../data/image.ts";
import {
  type AugmentOperation,
  type AugmentOperationName,
  augmentLists,
  augmentOperations,
  augmentValue,
} from "../../../data/rand-augment.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Check, Claims } from "../comparison.ts";
import type { GoldenCase } from "../golden-case.ts";
import { picture } from "./image.ts";

const step = z.object({ op: z.string(), value: z.number(), negated: z.boolean() });
const schema = z.looseObject({
  augment_list: z.array(z.object({ op: z.string(), min: z.number(), max: z.number() })),
  outputs: z.array(
    z.union([
      z.extend(step, { tensor: z.string(), magnitude: z.number() }),
      z.object({ tensor: z.string(), magnitude: z.number(), sequence: z.array(step) }),
    ]),
  ),
});
type Step = z.output<typeof step>;

const INPUT = "image";

/** Operations that the original has beside its list; its TranslateX and TranslateY shift by parts of the size. */
const unlisted: Readonly<Record<string, AugmentOperation["apply"]>> = {
  Invert: invert,
  Flip: mirror,
  TranslateX: (picture, part) => translateX(picture, part * picture.width),
  TranslateY: (picture, part) => translateY(picture, part * picture.height),
};

/** Every operation of RandAugment on a picture, some of them in a row, and the original's list. */
export function verifyRandAugment(golden: GoldenCase): Claims {
  const { augment_list, outputs } = golden.read(schema);
  const input = picture(golden, INPUT);
  const steps = outputs.map((output) => ({ ...output, sequence: "sequence" in output ? output.sequence : [output] }));
  return {
    claims: steps.map(({ tensor, sequence }) => {
      const { data, width, height } = sequence.reduce(applied, input);
      return { name: tensor, value: { shape: [height, width, 3], data }, tolerance: { atol: 0, rtol: 0 } };
    }),
    inputs: [INPUT],
    checks: [
      listCheck(augment_list),
      ...steps.map(({ tensor, magnitude, sequence }) => valueCheck(tensor, magnitude, sequence)),
    ],
  };
}

/** The original calls the shifts by pixels TranslateXabs and TranslateYabs. */
function listed(op: string): AugmentOperationName | null {
  if (op in unlisted) return null;
  const name = op.replace(/abs$/, "");
  return Object.hasOwn(augmentOperations, name) ? (name as AugmentOperationName) : null;
}

function applied(before: RgbImage, { op, value, negated }: Step): RgbImage {
  const name = listed(op);
  const apply = name ? augmentOperations[name].apply : unlisted[op];
  if (!apply) throw new DataError(`RandAugment: there is no operation ${op}`);
  return apply(before, negated ? -value : value);
}

function listCheck(recorded: z.output<typeof schema>["augment_list"]): Check {
  const own = augmentLists.original.map((name) => ({ name, range: augmentOperations[name].range }));
  const expected = recorded.map(({ op, min, max }) => {
    const name = listed(op);
    return { name, range: name && augmentOperations[name].range ? [min, max] : null };
  });
  return { name: "the original's list", actual: own, expected };
}

/** What the magnitude means; the record has a number without a meaning for operations that have no degree. */
function valueCheck(tensor: string, magnitude: number, sequence: readonly Step[]): Check {
  const graded = sequence.filter(({ op }) => {
    const name = listed(op);
    return name && augmentOperations[name].range;
  });
  return {
    name: `${tensor}: values`,
    actual: graded.map(({ op }) => augmentValue(listed(op)!, magnitude)),
    expected: graded.map(({ value }) => value),
  };
}
