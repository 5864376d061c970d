import t from "tap";
import "../../src/autograd/fluent.ts";
import { Parameter } from "../../src/autograd/graph.ts";
import { tensor } from "../../src/tensor/create.ts";
import { exact, values } from "../support.ts";

t.test("operations chain as methods and differentiate the same", async (t) => {
  const w = new Parameter(
    tensor(
      [
        [1, 2],
        [3, 4],
      ],
      exact,
    ),
  );
  const x = tensor([[1], [-1]], exact);
  const loss = w.value.matmul(x).square().mul(0.5).sum();
  t.equal(loss.item(), 1);
  loss.backward();
  t.same(values(w.grad!), [-1, 1, -1, 1]);
  t.same(values(tensor([1, 2, 3], exact).slice(0, 1).mean()), [2.5]);
});
