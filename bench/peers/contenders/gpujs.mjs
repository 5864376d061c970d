// gpu.js alone: the matrix product of its README, one thread of the kernel a result, in the mode it is given.
import gpujs from "gpu.js";
import { kindOf } from "../../harness/cannot.mjs";

export const packageName = "gpu.js";

export async function prepare(work, data, { threads, mode }) {
  return { device: mode, ...kindOf({ matmul }, work)(work.config, data, { threads, mode }) };
}

function matmul({ m, k, n }, data, { threads, mode }) {
  const gpu = new gpujs.GPU({ mode });
  const product = gpu.createKernel(
    function (a, b) {
      let sum = 0;
      for (let i = 0; i < this.constants.k; i++) sum += a[this.thread.y][i] * b[i][this.thread.x];
      return sum;
    },
    { output: [n, m], constants: { k }, precision: "single", asyncMode: threads > 1, poolSize: threads },
  );
  const [a, b] = ["a", "b"].map((name) => {
    const { shape, data: values } = data.get(name);
    return gpujs.input(values, [shape[1], shape[0]]);
  });
  return {
    async answers() {
      const rows = await product(a, b);
      const flat = new Float32Array(m * n);
      for (const [i, row] of rows.entries()) flat.set(row, i * n);
      return new Map([["out", { shape: [m, n], data: flat }]]);
    },
    run: () => product(a, b),
  };
}
