import t from "tap";
import { Linear } from "../../src/nn/linear.ts";
import { Mlp } from "../../src/nn/mlp.ts";
import { Module } from "../../src/nn/module.ts";
import { summary } from "../../src/nn/summary.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { zeros } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { getPreset } from "../../src/vilt/config.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { values } from "../support.ts";

t.test("summary: layers, shapes, parameters and products of an MLP, counted by hand", async (t) => {
  const mlp = new Mlp(3, 5, { rng: new Rng(1) });
  const x = zeros([2, 7, 3]);
  const before = values(mlp.forward(x));
  const result = summary(mlp, x);
  t.same(
    result.layers.map(({ name, type, parameters, flops, calls }) => [name, type, parameters, flops, calls]),
    [
      ["", "Mlp", 3 * 5 + 5 + 5 * 3 + 3, 2 * 14 * 3 * 5 * 2, 1],
      ["expand", "Linear", 20, 2 * 14 * 3 * 5, 1],
      ["contract", "Linear", 18, 2 * 14 * 5 * 3, 1],
      ["dropout", "Dropout", 0, 0, 2],
    ],
  );
  t.same(
    result.layers.map(({ outputs }) => outputs.map(({ shape }) => shape)),
    [[[2, 7, 3]], [[2, 7, 5]], [[2, 7, 3]], [[2, 7, 5]]],
  );
  t.match(result, { parameters: 38, flops: 840, elements: 0 }, "gelu is part of a product");
  t.match(
    String(result),
    /^layer +type +output +calls +parameters +MFLOP\n\(the model\) +Mlp +\[2, 7, 3\] +1 +38 +0\.001\n/,
  );
  t.match(String(result), /\n38 parameters; 0\.001 MFLOP in matrix products, 0 numbers written by all else$/);
  t.match(JSON.parse(JSON.stringify(result)), { parameters: 38, layers: [{ type: "Mlp" }, {}, {}, {}] });
  t.same(values(mlp.forward(x)), before, "the model is as it was");
  t.same(Object.keys(mlp), ["expand", "contract", "dropout"]);
});

t.test("summary: what is shared, what is not called, and what fails", async (t) => {
  class Twice extends Module {
    readonly inner = new Linear(3, 3, { rng: null });
    readonly tied = new Linear(3, 3, { rng: null, bias: false, sharedWeight: this.inner.weight });
    readonly same = this.inner;
    readonly idle = [new Linear(3, 2, { rng: null })];

    forward({ x }: { x: Tensor }, fail = false): { y: Tensor; z: Tensor } {
      if (fail) throw new RangeError("stop");
      return { y: this.inner.forward(this.inner.forward(x)), z: this.tied.forward(x) };
    }
  }
  const model = new Twice();
  const input = { x: zeros([1, 3], { device: "cpu" }) };
  const { layers, parameters } = summary(model, input);
  t.equal(parameters, 9 + 3 + 6 + 2, "a weight that is shared counts once");
  t.same(
    layers.map(({ name, calls }) => [name, calls]),
    [
      ["", 1],
      ["inner", 2],
      ["tied", 1],
      ["idle.0", 0],
    ],
  );
  t.match(String(summary(model, input)), /y \[1, 3\], z \[1, 3\]/);
  t.throws(() => summary(model, input, true), { message: "stop" });
  t.equal(model.inner.weight.value.device, "wasm", "after an error too");
  t.same(Object.keys(model.inner), ["weight", "bias"]);
});

t.test("summary: the pre-training model by its losses; the published size without computing anything", async (t) => {
  const { model: config, wordPatchAlignment } = getPreset("b32");
  const meta = getBackend("meta");
  const model = new ViltForPretraining(config, { rng: null, device: meta.name });
  const [B, T] = [2, 8];
  const [ids, textMask] = [new Int32Array(B * T).fill(5), new Int32Array(B * T).fill(1)];
  const pixelValues = zeros([B, 3, 384, 384], { device: "meta" });
  const batch = { ids, textMask, maskedIds: ids, maskedLabels: ids, pixelValues, matchingPixelValues: pixelValues };
  const result = summary(model, () =>
    model.losses({ ...batch, matchingLabels: Int32Array.of(1, 0) }, { wordPatchAlignment }),
  );
  t.equal(result.parameters, model.countParameters());
  const [inner, last] = [10, 11].map((i) => result.layers.find(({ name }) => name === `backbone.encoder.layers.${i}`)!);
  const [N, d] = [T + 1 + 144, 768];
  t.match(inner, { type: "EncoderLayer", calls: 2, outputs: [{ shape: [B, N, d] }] });
  t.equal(inner!.flops, 2 * B * (24 * N * d * d + 4 * N * N * d), "two passes: 12 d² weights, and Q Kᵀ and P V");
  const attentionFlops = 2 * B * 6 * N * d * d + 4 * B * (T + N) * N * d;
  t.equal(last!.flops, attentionFlops + 18 * d * d * (B * T + B * N), "of the first pass the labelled words alone");
});
