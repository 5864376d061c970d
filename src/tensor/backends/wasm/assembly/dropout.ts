import { address, float, int, storeLanes } from "./job";

const OUT = 0;
const IN = 1;
const TOTAL = 5; // cells
const TILE_CELLS = 6;
const SEED = 7;
const PROBABILITY = 8;
const SCALE = 9; // 1 / (1 − probability)

/**
 * Inverted dropout: cell i stays where the upper 24 bits of a mix of (seed, i), read as a fraction, reach the
 * probability. The mix is the finaliser of MurmurHash3 (Appleby, public domain).
 */
export function dropoutTile(tile: i32): void {
  const first = tile * int(TILE_CELLS);
  const last = min(int(TOTAL), first + int(TILE_CELLS));
  const seed = i32x4.splat(int(SEED));
  const probability = f32x4.splat(float(PROBABILITY));
  const scale = f32x4.splat(float(SCALE));
  let x = address(IN) + (<usize>first << 2);
  let out = address(OUT) + (<usize>first << 2);
  for (let i = first; i < last; i += 4) {
    let h = i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3));
    h = i32x4.add(i32x4.mul(h, i32x4.splat(0x9e3779b1)), seed);
    h = v128.xor(h, i32x4.shr_u(h, 16));
    h = i32x4.mul(h, i32x4.splat(0x85ebca6b));
    h = v128.xor(h, i32x4.shr_u(h, 13));
    h = i32x4.mul(h, i32x4.splat(0xc2b2ae35));
    h = v128.xor(h, i32x4.shr_u(h, 16));
    const fraction = f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(h, 8)), f32x4.splat(5.960464477539063e-8)); // 2⁻²⁴
    const kept = f32x4.ge(fraction, probability);
    storeLanes(out, v128.and(f32x4.mul(v128.load(x), scale), kept), last - i);
    x += 16;
    out += 16;
  }
}
