import type { Operand } from "../../../backend.ts";
import type { AttentionAttributes } from "../../../kernels.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { HostKernels } from "./types.ts";

/** With so many samples for each thread, a tile is a sample: its rows are read once, in their order. */
const TILES_PER_THREAD = 4;

export const attention = {
  attention(device, inputs, out, attributes) {
    const { ints } = device;
    ints[0] = addressOf(out);
    ints[4] = attributes.hasMask ? addressOf(inputs[1]!) : 0;
    runHeads(device, Kernel.attention, inputs[0]!, attributes, 1);
    return true;
  },
  attentionBackward(device, inputs, out, attributes) {
    const { ints } = device;
    ints[0] = addressOf(out);
    ints[2] = addressOf(inputs[1]!);
    ints[3] = addressOf(inputs[2]!);
    ints[4] = attributes.hasMask ? addressOf(inputs[3]!) : 0;
    runHeads(device, Kernel.attentionBackward, inputs[0]!, attributes, 3);
    return true;
  },
  ipot(device, [cost, words, patches], out, { beta, iterations }) {
    const { ints, floats } = device;
    const [B, M, N] = cost!.shape as [number, number, number];
    const row = M + 3;
    device.threads.needScratch(4 * row * (3 + 2 * N) + 64);
    ints[0] = addressOf(out);
    ints[1] = addressOf(cost!);
    ints[2] = addressOf(words!);
    ints[3] = addressOf(patches!);
    ints[4] = M;
    ints[5] = N;
    ints[6] = iterations;
    floats[7] = beta;
    if (M * N > 0) device.run(Kernel.ipot, B, B * iterations * M * N);
    return true;
  },
} satisfies HostKernels;

/** @param products how much of a product with queries × N cells there is, in units of the forward kernel's */
function runHeads(
  device: WasmDevice,
  kernel: Kernel,
  qkv: Operand,
  { numHeads, queries }: AttentionAttributes,
  products: number,
): void {
  const { ints, floats } = device;
  const [B, N, packed] = qkv.shape as [number, number, number];
  const size = packed / 3 / numHeads;
  const most = device.tileColumns - 1;
  const width = N + most;
  device.threads.needScratch(4 * (96 + width * (1 + size + most) + queries * (2 * width + 1)) + 64);
  ints[1] = addressOf(qkv);
  ints[5] = N;
  ints[6] = numHeads;
  ints[7] = size;
  floats[8] = size ** -0.5;
  ints[9] = queries;
  const tileHeads = B >= TILES_PER_THREAD * device.threads.count ? numHeads : 1;
  ints[10] = tileHeads;
  const nanoseconds = products * B * numHeads * queries * N * (0.1 * size + 2);
  if (N * size > 0) device.run(kernel, (B * numHeads) / tileHeads, nanoseconds);
}
