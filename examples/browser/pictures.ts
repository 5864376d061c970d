import { denormalizeImage, type Sample } from "viltgrad";
import type { Guess } from "./training.ts";

/** Shows what the model makes of each picture. */
export function showGuesses(list: HTMLElement, guesses: readonly Guess[]): void {
  list.replaceChildren(...guesses.map(item));
}

function item({ sample, hidden, word, probability, match }: Guess): HTMLElement {
  const caption = document.createElement("p");
  for (const [i, spelled] of sample.caption.split(" ").entries()) {
    if (i > 0) caption.append(" ");
    if (i !== hidden) {
      caption.append(spelled);
      continue;
    }
    const mark = document.createElement("mark");
    mark.textContent = word;
    mark.classList.toggle("right", word === spelled);
    caption.append(mark);
  }
  const truth = sample.caption.split(" ")[hidden]!;
  const sure = document.createElement("small");
  sure.append(
    `word ${percent(probability)}${word === truth ? "" : `, truly ${truth}`}`,
    document.createElement("br"),
    `pair ${percent(match)}`,
  );
  const element = document.createElement("li");
  element.append(draw(sample), caption, sure);
  return element;
}

export function percent(share: number): string {
  return `${Math.round(100 * share)}\u00a0%`;
}

function draw(sample: Sample): HTMLCanvasElement {
  const { height, width } = sample;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.role = "img";
  canvas.ariaLabel = sample.caption;
  const { data } = denormalizeImage(sample);
  const rgba = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgba.data[4 * i + c] = data[3 * i + c]!;
    rgba.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(rgba, 0, 0);
  return canvas;
}
