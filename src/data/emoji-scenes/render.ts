import type { Canvas, ScenePlan } from "./plan.ts";
import { type Sprite, sprite } from "./sprites.ts";

/** The picture of a plan: [3, height, width], value · 2 − 1. */
export function render(plan: ScenePlan, canvas: Canvas): Float32Array {
  const image = new Float32Array(3 * canvas.height * canvas.width);
  paintBackground(image, plan.background, canvas);
  for (const { kind, size, x, y, flip } of plan.things)
    composite(image, canvas, sprite(plan.style, kind, size), x, y, flip);
  applyTone(image, plan.tone);
  return image;
}

function paintBackground(image: Float32Array, background: ScenePlan["background"], { height, width }: Canvas): void {
  for (let c = 0, start = 0; c < 3; c++)
    for (let row = 0; row < height; row++, start += width) {
      const value = background.color[c]! + background.gradient * ((2 * row) / Math.max(height - 1, 1) - 1);
      image.fill(Math.min(Math.max(value, 0), 1), start, start + width);
    }
}

/** Lays a sprite over the picture: colour + (1 − opacity) · what was there; the colour is premultiplied. */
function composite(image: Float32Array, canvas: Canvas, drawn: Sprite, x: number, y: number, flip: boolean): void {
  const { size, color, clear } = drawn;
  const step = flip ? -1 : 1;
  for (let c = 0; c < 3; c++)
    for (let row = 0; row < size; row++) {
      const colors = c * size * size;
      let from = row * size + (flip ? size - 1 : 0);
      let to = (c * canvas.height + y + row) * canvas.width + x;
      for (let column = 0; column < size; column++, from += step, to++)
        image[to] = color[colors + from]! + clear[from]! * image[to]!;
    }
}

function applyTone(image: Float32Array, { gain, offset }: ScenePlan["tone"]): void {
  const area = image.length / 3;
  for (let c = 0, i = 0; c < 3; c++) {
    const shift = offset[c]!;
    for (const end = i + area; i < end; i++) {
      const value = gain * image[i]! + shift;
      image[i] = 2 * Math.min(Math.max(value, 0), 1) - 1;
    }
  }
}
