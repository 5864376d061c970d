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

t.test("methods of common functions are those functions", async (t) => {
  const x = tensor([0.5, -1, 2], exact);
  t.same(values(x.clamp(-0.5, 1)), [0.5, -0.5, 1]);
  t.same(values(x.cumsum()), [0.5, -0.5, 1.5]);
  t.equal(x.prod().item(), -1);
  t.equal(x.norm(0, { p: 1 }).item(), 3.5);
  t.equal(x.std(0, { correction: 1 }).item(), 1.5);
  t.equal(x.argmin().item(), 1);
  t.equal(x.mul(0).logSumExp().item(), Math.log(3));
  t.ok(x.expm1().log1p().sub(x).abs().sum().item() < 1e-15);
  t.ok(x.softplus().sub(x.neg().softplus()).sub(x).abs().sum().item() < 1e-15, "softplus x − softplus(−x) = x");
  t.ok(x.silu().add(x.neg().silu().mul(-1)).sub(x).abs().sum().item() < 1e-15, "x σ(x) + x σ(−x) = x");
  t.same(values(x.leakyRelu(0.5)), [0.5, -0.5, 2]);
  t.same(values(x.elu(2)).map(Math.sign), [1, -1, 1]);
  t.not(x.gelu({ approximate: "tanh" }).sum().item(), x.gelu().sum().item());
});
