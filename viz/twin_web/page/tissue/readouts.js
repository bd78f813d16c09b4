// Readouts over time: one is chosen, and drawn by cell type, or for one cell type by future.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { futureOf } from "./amounts.js";
import { chart } from "./chart.js";

const PAUSE = 700; // ms between two looks at a run that goes on
const FUTURES = ["var(--accent)", "#d55e00", "#009e73", "#cc79a7"]; // Okabe and Ito's, told apart by dashes as well
const EVERY = "*"; // all cell types, a curve each
const WHOLE = ""; // the tissue as a whole
const CP10K = "counts per 10,000"; // the one unit that is words

/**
 * The charts below the viewer. at: address of the run; onTime(hour): a time was clicked.
 *
 * Returns refresh(futures), move(hour, measured): the hour that is shown, and that after which all is extrapolated, or null;
 * choose(readout); dye(colors): of the cell types.
 */
export function readouts(parent, { at, signal, onTime }) {
  const box = make(parent, "section", { class: "readouts", id: "readouts", "aria-labelledby": "readouts-title" });
  const head = make(box, "div", { class: "row" });
  make(head, "h3", { id: "readouts-title" }, t("tissue.readouts"));
  const what = choice("readout", t("tissue.readout"), draw);
  const whom = choice("readout-of", t("tissue.readout.of"), () => {
    whom.dataset.chosen = "yes"; // it stays, whatever else is shown
    draw();
  });
  const charts = make(box, "div", { class: "charts" });
  let lines = [], times = [], names = [], hour = 0, colors = new Map(), late = null, wished = null;
  let moves = [], looked = 0, wait = 0;

  function choice(id, label, change) {
    make(head, "label", { for: id, class: "unseen" }, label);
    return make(head, "select", { id, change });
  }

  /** Look for what is new, not too often. */
  function refresh(futures) {
    names = futures;
    clearTimeout(wait);
    wait = setTimeout(look, Math.max(0, looked + PAUSE - Date.now()));
  }

  async function look() {
    looked = Date.now();
    try {
      ({ lines, times } = await ask(`${at}/lines`, { signal }));
    } catch (error) {
      if (signal.aborted) return;
      clear(charts);
      make(charts, "p", { class: "fault" }, error.message);
      return;
    }
    if (signal.aborted) return;
    offer();
    draw();
  }

  const nameOf = (wish) => lines.find(({ name, label }) => name === wish || label === wish)?.name;

  /** Fill both choices with what there is; what was chosen stays. */
  function offer() {
    const readout = nameOf(wished) ?? what.value;
    const labels = new Map(lines.map((line) => [line.name, labelOf(line)]));
    fill(what, labels);
    wished = null;
    what.value = labels.has(readout) ? readout : labels.keys().next().value ?? "";
  }

  function offerTypes(mine) {
    const chosen = whom.dataset.chosen === "yes" ? whom.value : null;
    const types = mine.map(({ cell_type: type }) => type);
    const options = new Map();
    if (types.filter((type) => type !== null).length > 1) options.set(EVERY, t("tissue.readout.every"));
    for (const type of types) options.set(type ?? WHOLE, type ?? t("tissue.readout.whole"));
    fill(whom, options);
    const usual = names.length > 1 ? (options.has(WHOLE) ? WHOLE : types[0]) : options.keys().next().value;
    whom.value = chosen !== null && options.has(chosen) ? chosen : usual ?? "";
    whom.hidden = options.size < 2;
  }

  function draw() {
    const mine = lines.filter(({ name }) => name === what.value);
    offerTypes(mine);
    const open = charts.querySelector("details[open]") !== null;
    clear(charts);
    moves = [];
    if (mine.length === 0) return void make(charts, "p", { class: "hint" }, t("tissue.readouts.none"));
    const span = [times[0] ?? 0, times[times.length - 1] ?? 1];
    const [label, units] = [labelOf(mine[0]), mine[0].units === CP10K ? t("tissue.units.cp10k") : mine[0].units];
    if (whom.value === EVERY) {
      for (const future of names) plot(names.length > 1 ? `${label}, ${futureOf(future)}` : label, units, byType(mine, future), span);
    } else plot(label, units, byFuture(mine.find(({ cell_type: type }) => (type ?? WHOLE) === whom.value)), span);
    if (open) for (const details of charts.querySelectorAll("details")) details.open = true;
  }

  function plot(title, units, series, span) {
    moves.push(chart(charts, { title, units, series, span, now: hour, late, onTime }));
  }

  const byType = (mine, future) => mine.filter(({ cell_type: type }) => type !== null).map(({ cell_type: type, by_branch: by }, i) => ({
    name: type, color: colors.get(type) ?? "var(--soft)", dash: Math.floor(i / 8), points: pointsOf(by[future]),
  }));
  const byFuture = (line) => names.map((name, i) => ({ name: futureOf(name), color: FUTURES[i % FUTURES.length], dash: i, points: pointsOf(line?.by_branch[name]) }));
  const pointsOf = (course) => (course ? times.map((time, i) => [time, course.mean[i], course.low?.[i] ?? null, course.high?.[i] ?? null]) : []);

  signal.addEventListener("abort", () => clearTimeout(wait));
  return {
    refresh,
    move: (now, measured) => {
      hour = now;
      for (const move of moves) move(now);
      if (measured === late) return;
      late = measured;
      if (lines.length > 0) draw();
    },
    choose: (name) => {
      wished = name; // it may not be there yet
      if (lines.length === 0 || nameOf(name) === undefined) return;
      offer();
      draw();
    },
    dye: (known) => {
      colors = known;
      if (lines.length) draw();
    },
  };
}

/** Return how a readout is called; quantities of the scenario's own keep their names. */
function labelOf({ name, label }) {
  if (name === "cells" || name === "response") return t(`tissue.line.${name}`);
  if (label === `mean ${name}`) return t("tissue.line.gene", { name });
  if (label === `score of ${name}`) return t("tissue.line.program", { name });
  if (name.startsWith("level of ")) return t("tissue.line.level", { name: name.slice("level of ".length) });
  return label;
}

function fill(select, options) {
  clear(select);
  for (const [value, text] of options) make(select, "option", { value }, text);
}
