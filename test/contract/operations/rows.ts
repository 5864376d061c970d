import type { Row } from "./cases.ts";
import { elementwise } from "./elementwise.ts";
import { images } from "./images.ts";
import { indexing } from "./indexing.ts";
import { layout } from "./layout.ts";
import { losses } from "./losses.ts";
import { normalizations } from "./normalizations.ts";
import { products } from "./products.ts";
import { reductions } from "./reductions.ts";

/** Every public operation: how it is called, and how far a device may be off. A new operation is a new row. */
export const rows: Readonly<Record<string, Row>> = {
  ...elementwise,
  ...reductions,
  ...layout,
  ...indexing,
  ...products,
  ...images,
  ...normalizations,
  ...losses,
};
