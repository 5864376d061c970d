// npm run docs: writes the pages of docs/ that are made from the code.
import { writeFileSync } from "node:fs";
import { operationsTable } from "../test/docs/operations-table.ts";

writeFileSync(new URL("../docs/operations.md", import.meta.url), await operationsTable());
