/** What a job can compute. Both sides of the border read this list: TypeScript writes the number, WebAssembly reads it. */
export enum Kernel {
  matmul,
  unary,
  binary,
  where,
  dropout,
  sumParts,
}

/** Element-wise functions of one operand. */
export enum Unary {
  neg,
  abs,
  sign,
  sqrt,
  exp,
  log,
  tanh,
  sigmoid,
  erf,
  gelu,
  negInt,
  absInt,
  signInt,
  copy,
  toInt,
  toFloat,
}

/** Element-wise functions of two operands. */
export enum Binary {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  equal,
  less,
  lessEqual,
  geluBackward,
  addInt,
  subInt,
  mulInt,
  maximumInt,
  minimumInt,
  equalInt,
  lessInt,
  lessEqualInt,
}
