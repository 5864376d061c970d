import { scratch, storeLanes } from "./job";

/** Brings a tile from scratch, where its rows have `columns` cells, to its place. The arguments are those of a tile. */
export function finishTile(columns: i32, to: usize, stride: usize, height: i32, width: i32, addend: usize): void {
  for (let i = 0; i < height; i++) {
    const row = scratch + (<usize>(i * columns) << 2);
    for (let j = 0; j < width; j += 4) {
      const at = <usize>j << 2;
      const sum = v128.load(row + at);
      storeLanes(to + at, addend ? f32x4.add(v128.load(addend + at), sum) : sum, width - j);
    }
    to += stride;
    if (addend) addend += stride;
  }
}
