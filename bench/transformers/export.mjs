// node bench/transformers/export.mjs FOLDER...: computes each checkpoint folder's results here, for compare.py.
// Writes ours.safetensors into the folder: inputs drawn with a fixed seed, and what viltgrad computes from them.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { noGrad } from "../../dist/autograd/graph.js";
import { serializeSafetensors } from "../../dist/data/safetensors.js";
import { fromArray } from "../../dist/tensor/create.js";
import "../../dist/tensor/devices.js";
import { Rng } from "../../dist/tensor/rng.js";
import { openModelFolder } from "../../dist/train/model-folder.js";

const B = 3;

for (const folder of process.argv.slice(2)) {
  const { model, task } = await openModelFolder(folder);
  const { maxTextLength: T, vocabularySize: V, imageSize, patchSize, numChannels: C } = model.config;
  const rng = new Rng(`compare ${task}`);
  const images = task === "image-pairs" ? 2 : 1;
  const [H, W] = [imageSize[0] + patchSize, imageSize[1]];
  const ids = Int32Array.from({ length: B * T }, () => rng.int(V));
  const textMask = Int32Array.from({ length: B * T }, (_, k) => (k % T < T - Math.floor(k / T) ? 1 : 0));
  // The second image of a batch is one patch less high: padding with 0.
  const pixelMask = Int32Array.from({ length: B * H * W }, (_, k) =>
    Math.floor(k / (H * W)) === 1 && Math.floor(k / W) % H >= imageSize[0] ? 0 : 1,
  );
  const draw = () =>
    Float32Array.from({ length: B * C * H * W }, (_, k) => {
      const [b, pixel] = [Math.floor(k / (C * H * W)), k % (H * W)];
      const value = rng.uniform(-1, 1);
      return pixelMask[b * H * W + pixel] ? value : 0;
    });
  const pixels = Array.from({ length: images }, draw);
  const inputs = pixels.map((values) => ({ ids, textMask, pixelMask, pixelValues: fromArray(values, [B, C, H, W]) }));
  const results = noGrad(() => {
    if (task === "image-pairs") return { logits: model.forward(inputs).logits };
    const out = model.forward(inputs[0]);
    if (task === "base") return { pooler_output: out.pooled };
    return { logits: task === "retrieval" ? out.scores : out.logits };
  });
  const interleave = (lists, size) =>
    Array.from({ length: B }, (_, b) => lists.flatMap((list) => [...list.subarray(b * size, (b + 1) * size)])).flat();
  const stacked = images > 1 ? [B, images] : [B];
  const masks = pixels.map(() => pixelMask);
  const tensors = new Map([
    ["in/input_ids", { shape: [B, T], data: ids }],
    ["in/attention_mask", { shape: [B, T], data: textMask }],
    ["in/pixel_values", { shape: [...stacked, C, H, W], data: Float32Array.from(interleave(pixels, C * H * W)) }],
    ["in/pixel_mask", { shape: [...stacked, H, W], data: Int32Array.from(interleave(masks, H * W)) }],
    ...Object.entries(results).map(([name, value]) => [`out/${name}`, { shape: value.shape, data: value.dataSync() }]),
  ]);
  writeFileSync(path.join(folder, "ours.safetensors"), serializeSafetensors(tensors));
}
