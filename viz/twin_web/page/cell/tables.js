// Small tables whose numbers are also bars; a row is picked by its gene.
import { make } from "../lib/dom.js";

/**
 * rows: [{name, cells: [text, …], size, sign: 1 | −1 | 0, title}]. The bar of a row is `size` of the largest. A table of changes has
 * its bars from the middle to both sides.
 */
export function barTable(parent, { id, caption, head, rows, onPick, isSigned = false }) {
  const table = make(parent, "table", { id, class: "bars" });
  make(table, "caption", {}, caption);
  const top = make(make(table, "thead"), "tr");
  head.forEach((text, i) => make(top, "th", { scope: "col", class: i ? "right" : "" }, text));
  make(top, "th", { class: "bar-column", "aria-hidden": "true" });
  const body = make(table, "tbody");
  const largest = Math.max(...rows.map(({ size }) => size), 1e-9);
  for (const row of rows) {
    const line = make(body, "tr", { dataset: { name: row.name }, title: row.title });
    const first = make(line, "th", { scope: "row" });
    make(first, "button", { type: "button", class: "plain-button", click: () => onPick(row.name) }, row.name);
    for (const text of row.cells) make(line, "td", { class: "right" }, text);
    const cell = make(line, "td", { class: `bar-column${isSigned ? " signed" : ""}`, "aria-hidden": "true" });
    const share = `${(100 * row.size) / largest}%`;
    make(cell, "i", { style: { width: isSigned ? `calc(${share} / 2)` : share }, dataset: { sign: String(row.sign ?? 0) } });
  }
  return table;
}
