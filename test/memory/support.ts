import "../../src/tensor/devices.ts";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { mean } from "../../src/autograd/functions/mean.ts";
import { square, sub } from "../../src/autograd/ops/arithmetic.ts";
import { tanh } from "../../src/autograd/ops/transcendental.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { memory } from "../../src/tensor/memory.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

setFlagsFromString("--expose-gc");
/** Collects all garbage now. */
export const collect = runInNewContext("gc") as () => void;

/** Lets the reports of the collector come in: they do between tasks. */
export const nextTask = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

/** Two linear maps, tanh between them. */
export class Net extends Module {
  readonly first: Linear;
  readonly second: Linear;

  constructor(rng: Rng) {
    super();
    this.first = new Linear(4, 16, { rng });
    this.second = new Linear(16, 2, { rng });
  }

  /** x [..., 4] → [..., 2]. */
  forward(x: Tensor): Tensor {
    return this.second.forward(tanh(this.first.forward(x)));
  }

  loss(x: Tensor, y: Tensor): Tensor {
    return mean(square(sub(this.forward(x), y)));
  }
}

export function netAndOptimizer(seed: number): { net: Net; optimizer: AdamW; rng: Rng } {
  const rng = new Rng(seed);
  const net = new Net(rng);
  return { net, optimizer: new AdamW([{ parameters: net.namedParameters(), weightDecay: 0.01 }]), rng };
}

/** Bytes after a collection: of the engine's heap with what hangs on it, and of the memory of the wasm device. */
export function usage(): { heap: number; used: number; reserved: number; moved: number } {
  collect();
  collect(); // finishes what the first leaves to a thread of its own: the memory of array buffers
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const { used, reserved, moved } = memory().devices.wasm!;
  return { heap: heapUsed + arrayBuffers, used, reserved, moved };
}
