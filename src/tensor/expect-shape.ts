import { formatShape, type Shaped, ShapeError } from "./errors.ts";

/**
 * The sizes of a tensor whose shape is as described: names in the order of the axes, numbers for lengths that are
 * fixed, and `...` in front for any leading axes. A name that stands twice must have the same length twice.
 *
 *   const [B, T, d] = expectShape(x, "B T d", "TextEmbedding");
 *   const [, , H, W] = expectShape(pixels, `B ${numChannels} H W`, "PatchEmbedding");
 *   const [d] = expectShape(x, "... d", "LayerNorm");
 *
 * @param operation what the error names
 * @returns one length for each name or number
 * @throws {ShapeError} that names the operation, the expected and the actual shape
 */
export function expectShape(x: Shaped, expected: string, operation: string): number[] {
  const tokens = expected.split(/\s+/).filter((token) => token !== "");
  const isOpen = tokens[0] === "...";
  const axes = isOpen ? tokens.slice(1) : tokens;
  const fail = (problem: string): never => {
    const described = `[${tokens.join(", ")}]`;
    throw new ShapeError(operation, `the shape ${described} is needed, not ${formatShape(x.shape)}; ${problem}`);
  };
  const lead = x.shape.length - axes.length;
  if (lead < 0 || (lead > 0 && !isOpen))
    fail(
      `${isOpen ? "at least " : ""}${count(axes.length)} needed, there ${x.shape.length === 1 ? "is" : "are"} ${x.shape.length}`,
    );
  const sizes = x.shape.slice(lead);
  const bound = new Map<string, number>();
  for (const [i, token] of axes.entries()) {
    const size = sizes[i]!;
    const wanted = /^\d+$/.test(token) ? Number(token) : (bound.get(token) ?? size);
    if (size !== wanted)
      fail(
        /^\d/.test(token)
          ? `axis ${lead + i} is ${size}, not ${token}`
          : `${token} is ${wanted} and, at axis ${lead + i}, ${size}`,
      );
    bound.set(token, size);
  }
  return sizes;
}

function count(axes: number): string {
  return axes === 1 ? "1 axis is" : `${axes} axes are`;
}
