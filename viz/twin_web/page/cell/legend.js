// What the colours of the picture mean.
import { make } from "../lib/dom.js";
import { count, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { FURTHEST, STEPS, changeRamp, css, glowRamps, programColour } from "./colours.js";

const PROGRAMS = 6; // in the list of the left panel

/** From no count to the most: dots of light with their numbers. */
export function countLegend(parent, most) {
  const ramps = glowRamps(), box = make(parent, "div", { class: "ramp", role: "img", "aria-label": t("cell.ramp", { most: count(most) }) });
  const marks = [0, 1, 3, 10, 30, 100, 300, 1000].filter((n) => n === 0 || n < 0.75 * most);
  for (const n of [...marks, Math.round(most)]) {
    const step = n ? Math.min(STEPS - 1, 1 + Math.floor(((STEPS - 2) * Math.log1p(n)) / Math.log1p(most))) : 0;
    const one = make(box, "span", { "aria-hidden": "true" });
    make(one, "i", { style: { background: css(ramps.slice(3 * step, 3 * step + 3)) } });
    make(one, "small", {}, n === Math.round(most) ? `≥ ${count(n)}` : count(n));
  }
}

/** From less to more than in the untreated twin. */
export function changeLegend(parent) {
  const ramp = changeRamp(), box = make(parent, "div", { class: "ramp", role: "img", "aria-label": t("cell.ramp-change") });
  for (const fold of [-4, -2, -1, 0, 1, 2, 4]) {
    const step = Math.round(((STEPS - 1) * fold) / FURTHEST) + STEPS - 1;
    const one = make(box, "span", { "aria-hidden": "true" });
    make(one, "i", { style: { background: css(ramp.slice(3 * step, 3 * step + 3)) } });
    make(one, "small", {}, `${fold > 0 ? "+" : fold < 0 ? "\u2212" : ""}${Math.abs(fold)}`);
  }
}

/** The programs that hold most of a cell's counts, each with its colour and share. */
export function programLegend(parent, map, counts, onPoint) {
  const sums = new Float64Array(map.programs.length);
  let all = 0;
  for (let g = 0; g < map.n; g++) {
    sums[map.program[g]] += counts[g];
    all += counts[g];
  }
  const order = [...sums.keys()].sort((a, b) => sums[b] - sums[a]).slice(0, PROGRAMS);
  const table = make(parent, "table", { class: "bars", id: "top-programs" });
  make(table, "caption", {}, t("cell.programs-now"));
  const top = make(make(table, "thead"), "tr");
  make(top, "th", { scope: "col" }, t("cell.program"));
  make(top, "th", { scope: "col", class: "right" }, t("cell.share"));
  const body = make(table, "tbody"), isDark = document.documentElement.dataset.theme === "dark";
  for (const program of order) {
    const row = make(body, "tr", { mouseenter: () => onPoint(program), mouseleave: () => onPoint(-1) });
    const name = make(row, "th", { scope: "row" });
    make(name, "i", { class: "dot", style: { background: programColour(map.programs[program].colour, isDark) }, "aria-hidden": "true" });
    make(name, "span", {}, map.programs[program].name);
    make(row, "td", { class: "right" }, `${words3((100 * sums[program]) / all)}%`);
  }
}
