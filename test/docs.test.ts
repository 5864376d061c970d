import { readFileSync } from "node:fs";
import t from "tap";
import { operationsTable } from "./docs/operations-table.ts";

t.test("docs/operations.md is what the operations do", async (t) => {
  const written = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8");
  t.equal(written, await operationsTable(), "npm run docs writes it anew");
});
