import * as z from "zod/mini";
import { grad } from "../../../autograd/grad.ts";
import { variable } from "../../../autograd/graph.ts";
import { concat, reshape, slice, transpose } from "../../../autograd/ops/layout.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type Grid, interpolateGrid } from "../../../vilt/interpolation.ts";
import { patchMaskOf, pixelMaskFromValues } from "../../../vilt/patch-mask.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";

const schema = z.looseObject({
  cases: z.array(z.object({ source: z.number(), h: z.number(), w: z.number(), prefix: z.string() })),
  patch_sizes: z.array(z.number()),
});

/** Interpolation of position tables, per image and once at loading, and patch masks from pixels. */
export function verifyPositionEmbedding(golden: GoldenCase, underTest: UnderTest): Claims {
  const { cases, patch_sizes } = golden.read(schema);
  const names = [...golden.tensors.keys()];
  const resizes = names.flatMap((name) => /^(resize(\d+)to(\d+))\/in$/.exec(name)?.slice(1) ?? []);
  const claims = [
    ...cases.flatMap(({ source, h, w, prefix }) => interpolationClaims(golden, underTest, source, [h, w], prefix)),
    ...Array.from({ length: resizes.length / 3 }, (_, i) =>
      resizeClaim(golden, underTest, resizes[3 * i]!, Number(resizes[3 * i + 1]), Number(resizes[3 * i + 2])),
    ),
    ...patch_sizes.map((patchSize, i) => maskClaim(golden, `mask${i}`, patchSize)),
  ];
  return {
    claims,
    inputs: names.filter((name) => /\/(grid|upstream|in|pixels)$/.test(name) && !/^mask.*grid$/.test(name)),
  };
}

function toleranceOf(golden: GoldenCase, { dtype }: UnderTest, name: string): Tolerance {
  const precise = dtype === "float64" && golden.entry(name).dtype === "F64";
  return precise
    ? golden.tolerance(["float64"], { atol: 1e-11, rtol: 0 })
    : golden.tolerance(["float32"], { atol: 1e-5, rtol: 0 });
}

/** [1, C, g, g] → [g · g, C]. */
const asTable = (grid: Tensor) => transpose(reshape(grid, [grid.shape[1]!, -1]));
/** [h · w, C] → [1, C, h, w]. */
const asGrid = (table: Tensor, [h, w]: Grid) => reshape(transpose(table), [1, table.shape[1]!, h, w]);

function interpolationClaims(
  golden: GoldenCase,
  underTest: UnderTest,
  source: number,
  to: Grid,
  prefix: string,
): Claim[] {
  const grid = variable(golden.tensor(`src${source}/grid`, underTest));
  const out = asGrid(interpolateGrid(asTable(grid), [source, source], to), to);
  const [gradient] = grad(out, [grid], { seed: golden.tensor(`${prefix}/upstream`, underTest), retainGraph: true });
  const claim = (suffix: string, value: Tensor): Claim => {
    const name = `${prefix}/${suffix}`;
    return { name, value, tolerance: toleranceOf(golden, underTest, name) };
  };
  return [claim("out", out), claim("out32", out), claim("grad", gradient!)];
}

function resizeClaim(golden: GoldenCase, underTest: UnderTest, prefix: string, from: number, to: number): Claim {
  const table = golden.tensor(`${prefix}/in`, underTest); // [1, 1 + from², C]
  const rows = reshape(table, table.shape.slice(1));
  const resized = interpolateGrid(slice(rows, 0, 1), [from, from], [to, to], "halfPixel");
  const name = `${prefix}/out`;
  const value = reshape(concat([slice(rows, 0, 0, 1), resized], 0), [1, 1 + to * to, table.shape[2]!]);
  return { name, value, tolerance: toleranceOf(golden, underTest, name) };
}

function maskClaim(golden: GoldenCase, prefix: string, patchSize: number): Claim {
  const { shape, data } = golden.entry(`${prefix}/pixels`);
  const [batchSize, channels, height, width] = shape as [number, number, number, number];
  const mask = pixelMaskFromValues(data, batchSize, channels);
  const { valid, grid } = patchMaskOf(mask, { batchSize, height, width, patchSize }, true);
  return { name: `${prefix}/grid`, value: { shape: grid, data: valid }, tolerance: { atol: 0, rtol: 0 } };
}
