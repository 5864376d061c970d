// Draws every RandAugment operation at five magnitudes, and why ViLT leaves out two of them.
//
//   node examples/rand-augment-gallery.mjs [folder]      writes rand-augment.svg and rand-augment.png
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  augmentationGallery,
  augmentLists,
  augmentOperations,
  augmentValue,
  denormalizeImage,
  EmojiScenes,
  encodePng,
  invert,
  svgToPng,
} from "viltgrad";

const folder = process.argv[2] ?? ".";
const magnitudes = [3, 9, 15, 21, 27];
const geometric = Object.keys(augmentOperations).filter((name) => augmentOperations[name].signed);
const others = Object.keys(augmentOperations).filter((name) => !geometric.includes(name));

// Scenes of emoji; the colour words of the hard level are what the argument is about.
const scenes = new EmojiScenes({ level: "hard", height: 192, width: 192 });
const findScene = (split, fits) => {
  for (let i = 0; ; i++) {
    const scene = scenes.sample(split, i);
    if (fits(scene)) return scene;
  }
};
const embed = async (picture) => `data:image/png;base64,${Buffer.from(await encodePng(picture)).toString("base64")}`;

/** A value in the operation's own unit. */
const units = {
  Rotate: (v) => `${v.toFixed(0)}°`,
  Posterize: (v) => `${Math.max(1, Math.floor(v))} of 8 bits`,
  Solarize: (v) => `from ${v.toFixed(0)} on`,
  SolarizeAdd: (v) => `+${v.toFixed(0)}`,
  ShearX: (v) => v.toFixed(2),
  ShearY: (v) => v.toFixed(2),
  TranslateX: (v) => `${v.toFixed(0)} px`,
  TranslateY: (v) => `${v.toFixed(0)} px`,
};
const noteOf = (name, value) => (units[name] ?? ((v) => `factor ${v.toFixed(2)}`))(value);

/** Which list draws an operation, and whether its sign is drawn. */
function remarkOf(name) {
  const lists = Object.keys(augmentLists).filter((list) => augmentLists[list].includes(name));
  if (lists.length === 1) return `${lists[0]} list only`;
  const { range, signed } = augmentOperations[name];
  if (!range) return "at any M alike";
  return signed ? "either sign" : "";
}

async function rowOf(name, picture) {
  const { range, apply } = augmentOperations[name];
  const pictures = [];
  for (const magnitude of magnitudes) {
    const value = augmentValue(name, magnitude);
    pictures.push({ picture: await embed(apply(picture, value)), note: range ? noteOf(name, value) : "" });
  }
  return { name, remark: remarkOf(name), pictures };
}

/** Grey over a square, as cutout does it. */
function cutOut({ data, width, height }, { x, y, width: w, height: h }) {
  const erased = Uint8Array.from(data);
  for (let row = y; row < y + h; row++)
    for (let column = x; column < x + w; column++) erased.set([125, 123, 114], 3 * (row * width + column));
  return { data: erased, width, height };
}

const shown = denormalizeImage(findScene("train", ({ things }) => things.length === 3));
const rows = (names) => Promise.all(names.map((name) => rowOf(name, shown)));

const apple = findScene(
  "validation",
  ({ caption, style }) => caption === "a red apple" && style === "fluent-emoji-flat",
);
const applePicture = denormalizeImage(apple);
const pair = findScene("validation", ({ caption }) => /^a cat and a \w+$/.test(caption));
const pairPicture = denormalizeImage(pair);
const lost = pair.things[1];

const svg = augmentationGallery({
  title: "RandAugment: N operations drawn with replacement, each at magnitude M",
  columns: magnitudes.map((magnitude) => `M = ${magnitude}`),
  groups: [
    { title: "Colours", rows: await rows(others) },
    { title: "Geometry", rows: await rows(geometric) },
  ],
  arguments: [
    {
      title: "Left out: inversion, as captions name colours",
      before: { picture: await embed(applePicture), note: apple.caption },
      after: { picture: await embed(invert(applePicture)), note: apple.caption },
      word: "red",
      text: ["The caption still says red,", "the picture no longer does:", "a true pair has become a false one."],
    },
    {
      title: "Left out: cutout, as small things matter",
      before: { picture: await embed(pairPicture), note: pair.caption },
      after: { picture: await embed(cutOut(pairPicture, lost.box)), note: pair.caption },
      word: lost.noun,
      text: [
        `The caption names a ${lost.noun}`,
        "that may be just what is erased:",
        "nothing is left to align the word with.",
      ],
    },
  ],
});
mkdirSync(folder, { recursive: true });
for (const [name, content] of [
  ["rand-augment.svg", svg],
  ["rand-augment.png", svgToPng(svg, 1.5)],
]) {
  writeFileSync(path.join(folder, name), content);
  console.log(path.join(folder, name));
}
