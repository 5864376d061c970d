// Cross-entropy of rows of logits with integer labels; negative labels do not count.

import { address, float, int, storeLanes } from "./job";
import { expOfNegative } from "./mathematics";
import { logSumExp, rowMax } from "./softmax";

const OUT = 0;
const LOGITS = 1;
const LABELS = 2;
const GRAD = 3;
const ROWS = 5;
const LENGTH = 6;
const TILE_ROWS = 7;
const SHARE = 8; // 1 / how many rows count

/** out[row] = share · −log softmax(logits)[label], or 0; the host adds them up. */
export function crossEntropyTile(tile: i32): void {
  const length = int(LENGTH);
  const last = min(int(ROWS), (tile + 1) * int(TILE_ROWS));
  for (let row = tile * int(TILE_ROWS); row < last; row++) {
    const label = load<i32>(address(LABELS) + (<usize>row << 2));
    const logits = address(LOGITS) + (<usize>(row * length) << 2);
    let loss: f32 = 0;
    if (label >= 0) {
      const largest = rowMax(logits, length);
      const chosen = load<f32>(logits + (<usize>label << 2));
      loss = float(SHARE) * (logSumExp(logits, length, largest) - (chosen - largest));
    }
    store<f32>(address(OUT) + (<usize>row << 2), loss);
  }
}

/** (softmax(logits) − one-hot(label)) · share · grad, or 0. */
export function crossEntropyBackwardTile(tile: i32): void {
  const length = int(LENGTH);
  const factor = float(SHARE) * load<f32>(address(GRAD));
  const last = min(int(ROWS), (tile + 1) * int(TILE_ROWS));
  for (let row = tile * int(TILE_ROWS); row < last; row++) {
    const label = load<i32>(address(LABELS) + (<usize>row << 2));
    const logits = address(LOGITS) + (<usize>(row * length) << 2);
    const out = address(OUT) + (<usize>(row * length) << 2);
    if (label < 0) {
      memory.fill(out, 0, <usize>length << 2);
      continue;
    }
    const largest = rowMax(logits, length);
    const shift = f32x4.splat(largest);
    const logSum = f32x4.splat(logSumExp(logits, length, largest));
    for (let i = 0; i < length; i += 4) {
      const at = <usize>i << 2;
      const p = expOfNegative(f32x4.sub(f32x4.sub(v128.load(logits + at), shift), logSum));
      storeLanes(out + at, f32x4.mul(p, f32x4.splat(factor)), length - i);
    }
    const chosen = out + (<usize>label << 2);
    store<f32>(chosen, load<f32>(chosen) - factor);
  }
}
