// The cell that was clicked, and the way to it in the cell view.
import { clear, make } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";

/** A line in `parent` about the picked cell. Returns show(cell or null) and query(cell), its address in the cell view. */
export function pickedOf(parent) {
  const line = make(parent, "p", { class: "picked", id: "picked", role: "status" });
  function show(cell) {
    clear(line);
    if (!cell) {
      line.append(t("tissue.pick"));
      return;
    }
    const told = [t("tissue.picked", { cell: cell.cell }), cell.cell_type, cell.branch, hours(cell.time)];
    if (cell.alive === false) told.push(t("tissue.dead"));
    make(line, "span", { class: "number" }, told.filter(Boolean).join(" · "));
    make(line, "a", { class: "button", id: "open-cell", href: address("cell", [], query(cell)) }, t("tissue.open.cell"));
  }
  show(null);
  return { show, query };
}

/** Return what the cell view has to know of a cell of a run. */
function query({ run, time, cell, branch, compartment, replicate, point }) {
  return { run, time, cell, branch, compartment, replicate: replicate || undefined, point: point ? JSON.stringify(point) : undefined };
}
