import { scratch, storeLanes, storePair } from "./job";

/** Brings a tile from scratch, where its rows have `columns` cells, to its place. The arguments are those of a tile. */
export function finishTile(columns: i32, to: usize, stride: usize, height: i32, width: i32, addend: usize): void {
  let row = scratch;
  const bytes = <usize>columns << 2;
  const isWhole = width === columns && addend !== 0;
  for (let i = 0; i < height; i++) {
    if (isWhole) addPairs(row, addend, to, bytes);
    else
      for (let j = 0; j < width; j += 4) {
        const at = <usize>j << 2;
        const sum = v128.load(row + at);
        storeLanes(to + at, addend ? f32x4.add(v128.load(addend + at), sum) : sum, width - j);
      }
    row += bytes;
    to += stride;
    if (addend) addend += stride;
  }
}

@inline
function addPairs(x: usize, y: usize, to: usize, bytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 32) {
    const left = f32x4.add(v128.load(y + at), v128.load(x + at));
    const right = f32x4.add(v128.load(y + at, 16), v128.load(x + at, 16));
    storePair(to + at, left, right);
  }
}
