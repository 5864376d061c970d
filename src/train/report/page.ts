import { escapeXml } from "../../viz/xml.ts";

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
  table { border-collapse: collapse; } th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
  th:first-child, td:first-child { text-align: left; } td.chance { color: #777; text-align: left; }
  .figures { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem; } svg { max-width: 100%; height: auto; }
  pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; } p.remark { color: #555; }`;

/** A whole HTML document that needs no other file. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeXml(title)}</title><style>${STYLE}
</style></head>
<body>
<h1>${escapeXml(title)}</h1>
${body}
</body>
</html>
`;
}

/** @param rows the first one is the head; the last column holds remarks */
export function htmlTable([head, ...rows]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) =>
    row
      .map((cell, i) => `<${tag}${i === row.length - 1 ? ' class="chance"' : ""}>${escapeXml(cell)}</${tag}>`)
      .join("");
  return `<table><thead><tr>${cells(head!, "th")}</tr></thead>
<tbody>${rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n")}</tbody></table>`;
}
