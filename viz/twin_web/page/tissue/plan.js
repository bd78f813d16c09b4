// What to expect of a run before it is begun: its cost, and how far each effect is supported by what was measured.
import { clear, make } from "../lib/dom.js";
import { count, hours, percent, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { lasting } from "./amounts.js";

/** The right panel of a run that has not begun. Returns show({plan, scenario}) and cost(plan), in one line. */
export function plan(parent) {
  const panel = make(parent, "section", { class: "panel after", "aria-labelledby": "after-title" });
  make(panel, "h2", { id: "after-title" }, t("tissue.after"));
  const empty = make(panel, "div", { class: "not-yet" });
  const picture = make(empty, "img", { alt: "" });
  make(empty, "p", {}, t("tissue.after.none"));
  const box = make(panel, "div", { class: "plan" });
  return {
    cost: costOf,
    show: ({ plan: planned, scenario }) => {
      picture.hidden = !scenario.picture;
      if (scenario.picture && !picture.src) {
        picture.src = scenario.picture;
        picture.alt = t("tissue.after.example", { name: scenario.name });
      }
      clear(box);
      if (!planned) return;
      make(box, "h3", {}, t("tissue.plan"));
      const list = make(box, "dl", { class: "facts" });
      for (const [key, value] of factsOf(planned)) {
        const pair = make(list, "div");
        make(pair, "dt", {}, t(`tissue.plan.${key}`));
        make(pair, "dd", { class: "number" }, value);
      }
      if (planned.support.length) supportTable(box, planned.support, scenario.support?.unsupported_below ?? 0.5);
      sentences(box, t("tissue.plan.does"), planned.does);
      sentences(box, t("tissue.plan.notes"), planned.notes);
      sentences(box, t("tissue.plan.assumptions"), planned.assumptions, true);
    },
  };
}

function costOf({ cells, ticks, memory_gib: memory, seconds, trajectories }) {
  const key = trajectories > 1 ? "tissue.cost.many" : "tissue.cost";
  return t(key, { cells: count(cells), ticks: count(ticks), memory: words3(memory), time: lasting(seconds), n: count(trajectories) });
}

function factsOf(planned) {
  const { cells, ticks, hours: long, trajectories, memory_gib: memory, seconds, frames } = planned;
  return [["cells", count(cells)], ["time", t("tissue.plan.time.of", { hours: hours(long), ticks: count(ticks) })],
    ["trajectories", count(trajectories)], ["frames", count(frames)],
    ["memory", t("tissue.plan.memory.of", { gib: words3(memory) })], ["lasts", lasting(seconds)]];
}

/** Support of each effect (columns) in each cell type (rows): bars with their numbers; below the limit it says so. */
function supportTable(box, support, limit) {
  make(box, "h3", {}, t("tissue.support"));
  make(box, "p", { class: "hint" }, t("tissue.support.means", { limit: percent(limit) }));
  const types = [...new Set(support.flatMap(({ types: known }) => Object.keys(known)))];
  const holder = make(box, "div", { class: "scroll" });
  const grid = make(holder, "table", { class: "table support-table", id: "support" });
  const head = make(make(grid, "thead"), "tr");
  make(head, "th", { scope: "col" }, t("tissue.type"));
  for (const { what } of support) make(head, "th", { scope: "col" }, what);
  const body = make(grid, "tbody");
  for (const type of types) {
    const row = make(body, "tr");
    make(row, "th", { scope: "row" }, type);
    for (const { types: known, unsupported } of support) {
      const cell = make(row, "td");
      if (known[type] === undefined) {
        cell.textContent = "–";
        continue;
      }
      const isWeak = unsupported.includes(type);
      const pair = make(cell, "div", { class: isWeak ? "gauge weak" : "gauge" });
      make(make(pair, "div", { class: "bar" }), "i", { style: { width: `${100 * known[type]}%` } });
      make(pair, "span", { class: isWeak ? "beyond number" : "number" }, percent(known[type]) + (isWeak ? ` ${t("tissue.support.no")}` : ""));
    }
  }
}

function sentences(box, title, list, isFolded = false) {
  if (!list?.length) return;
  const holder = isFolded ? make(box, "details") : box;
  make(holder, isFolded ? "summary" : "h3", {}, title);
  const items = make(holder, "ul", { class: "sentences" });
  for (const sentence of list) make(items, "li", {}, sentence);
}
