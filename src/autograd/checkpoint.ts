import { noteDraws, replayDraws } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { detach, isRecording, record, watchUses } from "./graph.ts";
import { oneTensor, recomputePullBack, withoutGraph } from "./recompute.ts";

/**
 * f(...inputs) without its graph: nothing that f computes on the way is kept, and pulling back computes it once more
 * (gradient checkpointing, Chen et al. 2016, §4). A deep model keeps one tensor per checkpoint and the inside of one
 * at a time, for about one more forward pass.
 *
 * Values and gradients are those of `f(...inputs)`, bit for bit, unless a tensor is used several times and not in one
 * checkpoint alone: then the shares of one checkpoint are added up first, which rounds differently. What f uses
 * without being given it (parameters, other variables) gets its gradient too. Streams of random numbers that f draws
 * from are put back for the second run, so that dropout drops the same cells, and continue afterwards where they were.
 * Under `createGraph` the second run is recorded like any other computation: derivatives of every order are right, and
 * no memory is saved.
 *
 * @param f answers one tensor; called again while gradients are pulled back, it must do the same as before
 * @throws {GradientError} when f answers something else; when pulling back, if f then uses another tensor than before,
 *   as after a step of an optimiser
 */
export function checkpoint<A extends readonly Tensor[]>(f: (...inputs: A) => Tensor, ...inputs: A): Tensor {
  const name = "checkpoint";
  const call = (own: readonly Tensor[]) => oneTensor(name, f(...(own as A)));
  if (!isRecording()) return withoutGraph(name, () => call(inputs));
  let captured: readonly Tensor[] = [];
  const { result: out, draws } = noteDraws(() =>
    withoutGraph(name, () => {
      const { out, used } = watchUses(() => call(inputs.map((x) => detach(x))));
      captured = used;
      return out;
    }),
  );
  record(name, [...inputs, ...captured], out, (grad) =>
    recomputePullBack(name, (...own) => replayDraws(draws, () => call(own)), inputs, captured, grad).map(
      (share) => share && (() => share),
    ),
  );
  return out;
}
