import type { Parameter } from "../autograd/graph.ts";
import { add } from "../autograd/ops/arithmetic.ts";
import { gather } from "../autograd/ops/indexing.ts";
import { concat, permute, reshape, slice } from "../autograd/ops/layout.ts";
import { broadcastTo } from "../autograd/ops/reduce.ts";
import { where } from "../autograd/ops/select.ts";
import { Dropout } from "../nn/dropout.ts";
import { type LayerOptions, placementOf, tableWeight } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { fromArray, zeros } from "../tensor/create.ts";
import { ConfigError } from "../tensor/errors.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { positionGrid, type ViltConfig } from "./config.ts";
import { type Grid, interpolateGrid } from "./interpolation.ts";
import type { PatchSelection } from "./patch-selection.ts";

/**
 * The patches of images, each flattened in (channel, row, column) order; patches follow each other row by row.
 *
 * @param pixels [B, C, H, W]; a strip at the right or bottom that fills no patch is dropped
 * @returns [B, gh · gw, C p p]
 */
export function extractPatches(pixels: Tensor, p: number): Tensor {
  const [B, C, H, W] = expectShape(pixels, "B C H W", "extractPatches");
  const [gh, gw] = [Math.floor(H / p), Math.floor(W / p)];
  const rows = gh * p === H ? pixels : slice(pixels, 2, 0, gh * p);
  const whole = gw * p === W ? rows : slice(rows, 3, 0, gw * p);
  const cells = permute(reshape(whole, [B, C, gh, p, gw, p]), [0, 2, 4, 1, 3, 5]); // [B, gh, gw, C, p, p]
  return reshape(cells, [B, gh * gw, C * p * p]);
}

/**
 * Image tokens: the class embedding and the linear projections of flattened patches, each with its position. The
 * grid of positions is interpolated to the size of each image; padding patches beyond it get no position.
 *
 *   image = dropout([class + position₀; W patchₖ + b + position(rowₖ, columnₖ) …])
 */
export class PatchEmbedding extends Module {
  readonly projection: Linear;
  readonly classEmbedding: Parameter;
  /** Row 0 belongs to the class embedding and is never interpolated; the others are the grid, row by row. */
  readonly patchPositionEmbedding: Parameter;
  /** Stands for a hidden patch, [1, d]; null where the configuration has no masked patches. */
  readonly maskEmbedding: Parameter | null;
  readonly dropout: Dropout;
  readonly grid: Grid;
  readonly patchSize: number;
  readonly numChannels: number;

  constructor(config: ViltConfig, options: LayerOptions) {
    super();
    const { hiddenSize: d, patchSize, numChannels } = config;
    this.grid = positionGrid(config);
    [this.patchSize, this.numChannels] = [patchSize, numChannels];
    this.projection = new Linear(numChannels * patchSize ** 2, d, options);
    this.classEmbedding = tableWeight([1, d], options);
    this.patchPositionEmbedding = tableWeight([1 + this.grid[0] * this.grid[1], d], options);
    this.maskEmbedding = config.maskedPatches ? tableWeight([1, d], options) : null;
    this.dropout = new Dropout(config.dropout);
  }

  /**
   * pixels [B, C, H, W] → [B, 1 + P, d].
   *
   * @param hidden [B, gh · gw], 1 = replace the projected patch by the mask vector, before positions are added
   */
  forward(pixels: Tensor, selection: PatchSelection, rng?: Rng, hidden?: ArrayLike<number>): Tensor {
    const B = pixels.shape[0]!;
    const { value: positions } = this.patchPositionEmbedding;
    const d = positions.shape[1]!;
    const classToken = add(this.classEmbedding.value, slice(positions, 0, 0, 1)); // [1, d]
    const tokens = concat([broadcastTo(classToken, [B, 1, d]), this.patchTokens(pixels, selection, hidden)], 1);
    return this.dropout.forward(tokens, rng);
  }

  /** The projections of all patches, before any selection and without positions, [B, gh · gw, d]. */
  project(pixels: Tensor): Tensor {
    return this.projection.forward(this.patches(pixels));
  }

  /** Position of every cell of the batch's grid, 0 beyond the extents of a sample: [B, gh · gw, d]. */
  positionsOfGrid(selection: PatchSelection): Tensor {
    const cells = selection.grid[0] * selection.grid[1];
    const B = selection.extents.length / 2;
    const index = Int32Array.from({ length: B * cells }, (_, k) => k % cells);
    return this.positionsOf({ ...selection, index, length: cells });
  }

  private patches(pixels: Tensor): Tensor {
    expectShape(pixels, `B ${this.numChannels} H W`, "PatchEmbedding");
    return extractPatches(pixels, this.patchSize);
  }

  private patchTokens(pixels: Tensor, selection: PatchSelection, hidden?: ArrayLike<number>): Tensor {
    const all = this.patches(pixels); // [B, gh · gw, 3pp]
    if (selection.isWhole)
      return add(this.hide(this.projection.forward(all), hidden), this.interpolated(selection.grid));
    const [B, cells, width] = all.shape as [number, number, number];
    const rows = selection.index.map((cell, k) => Math.floor(k / selection.length) * cells + cell);
    const index = fromArray(rows, [B, selection.length], { device: pixels.device });
    // Patches are constants: selecting them before the projection costs no gradient and saves the unused ones.
    const chosen = gather(reshape(all, [B * cells, width]), index); // [B, P, 3pp]
    if (!hidden) return this.projection.forward(chosen, this.positionsOf(selection));
    const projected = this.hide(
      this.projection.forward(chosen),
      rows.map((row) => hidden[row]!),
    );
    return add(projected, this.positionsOf(selection));
  }

  /** The mask vector in the places of hidden patches. @param hidden [B, P], 1 = hidden */
  private hide(projected: Tensor, hidden?: ArrayLike<number>): Tensor {
    if (!hidden) return projected;
    if (!this.maskEmbedding) throw new ConfigError("PatchEmbedding: patches are hidden, but maskedPatches is not set");
    const [B, P] = projected.shape as [number, number];
    const mask = fromArray(Int32Array.from(hidden), [B, P, 1], { device: projected.device });
    return where(mask, this.maskEmbedding.value, projected);
  }

  /** The grid of positions at another size, [h · w, d]. */
  private interpolated(to: Grid): Tensor {
    return interpolateGrid(slice(this.patchPositionEmbedding.value, 0, 1), this.grid, to);
  }

  /** Position of each selected patch, [B, P, d]: one table of all sizes that occur, after a row of zeros, looked up. */
  private positionsOf({ grid, extents, index, length }: PatchSelection): Tensor {
    const { value: positions } = this.patchPositionEmbedding;
    const B = index.length / length;
    const tables = [zeros([1, positions.shape[1]!], placementOf(positions))];
    const starts = new Map<string, number>();
    let numRows = 1;
    for (let b = 0; b < B; b++) {
      const [h, w] = [extents[2 * b]!, extents[2 * b + 1]!];
      if (starts.has(`${h}×${w}`)) continue;
      starts.set(`${h}×${w}`, numRows);
      tables.push(this.interpolated([h, w]));
      numRows += h * w;
    }
    const rows = index.map((cell, k) => {
      const b = Math.floor(k / length);
      const [h, w] = [extents[2 * b]!, extents[2 * b + 1]!];
      const [row, column] = [Math.floor(cell / grid[1]), cell % grid[1]];
      return row < h && column < w ? starts.get(`${h}×${w}`)! + row * w + column : 0;
    });
    return gather(concat(tables, 0), fromArray(rows, [B, length], { device: positions.device }));
  }
}
