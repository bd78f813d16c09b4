// The tissue before anything is done: its picture, how many cells, and of which types.
import { clear, make } from "../lib/dom.js";
import { count, percent } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { cellsOf } from "./amounts.js";
import { viewer } from "./viewer.js";

const GREY = "#6f6f6f"; // of a type without a colour of its own, as in the viewer

/**
 * The left panel. on : what its viewer says, as of `viewer`.
 *
 * Returns {panel, view, wait(text), show({run, futures}), count({cells, types, colors}), fault(sentence), take()}.
 */
export function before(parent, on) {
  const panel = make(parent, "section", { class: "panel before", "aria-labelledby": "before-title" });
  make(panel, "h2", { id: "before-title" }, t("tissue.before"));
  const stage = make(panel, "div", { class: "stage" });
  const told = make(stage, "p", { class: "wait", role: "status" });
  const cells = make(panel, "p", { id: "before-cells", class: "big number" });
  const bars = make(panel, "div", { class: "composition" });
  let shown = null;
  const view = viewer(stage, { id: "before", title: t("tissue.before.picture"), on: { ...on, ready: (what) => { told.hidden = true; on.ready?.(what); } } });
  view.frame.hidden = true;
  return {
    panel, view,
    wait: (text) => {
      told.hidden = false;
      told.className = "wait";
      told.textContent = text;
    },
    show: ({ run, futures }) => {
      if (shown === run) return;
      shown = run;
      view.frame.hidden = false;
      view.open({ run, hour: 0, compact: 1, ...(futures ? { futures } : {}) });
    },
    count: (what) => composition(cells, bars, what),
    fault: (sentence) => {
      told.hidden = false;
      told.className = "wait fault";
      told.textContent = sentence;
    },
    take: () => view.take(),
  };
}

function composition(cells, bars, { cells: n, types, colors }) {
  cells.textContent = cellsOf(n);
  clear(bars);
  if (!types?.length) return;
  make(bars, "h3", {}, t("tissue.composition"));
  const list = make(bars, "ul");
  const most = Math.max(...types.map((type) => type.n));
  for (const { name, n: some } of types) {
    const row = make(list, "li");
    make(row, "span", { class: "type" }, name);
    make(row, "span", { class: "number" }, count(some));
    make(row, "em", { class: "number" }, percent(some / n));
    const bar = make(row, "div", { class: "bar" });
    make(bar, "i", { style: { width: `${(100 * some) / most}%`, background: colors?.get(name) ?? GREY } });
  }
}

/** Return the colours of the cell types, as the viewer has them: of the record of a run. */
export function colorsOf(scene) {
  const legend = scene.paints[scene.types]?.legend ?? [];
  return new Map(legend.map(({ name, color }) => [name, color]));
}
