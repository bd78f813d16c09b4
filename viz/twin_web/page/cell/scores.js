// Programs over the hours: what a program holds of the transcriptome, treated against untreated.
import { clear, make } from "../lib/dom.js";
import { hours as hoursOf, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { signed } from "./after.js";
import { programColour } from "./colours.js";

const SHOWN = 10;
const [WIDE, HIGH] = [92, 22]; // px of a line over time

export class Scores {
  /** onPoint(program) outlines one in the pictures; −1: none. */
  constructor(parent, { onPoint }) {
    this.panel = make(parent, "section", { class: "panel", id: "scores", "aria-labelledby": "scores-title" });
    make(this.panel, "h2", { id: "scores-title" }, t("cell.scores"));
    this.holder = make(this.panel, "div");
    Object.assign(this, { map: null, frames: [], onPoint, last: 24 });
    this.reset();
  }

  use(map) {
    this.map = map;
  }

  reset() {
    this.frames = [];
    clear(this.holder);
    make(this.holder, "p", { class: "hint" }, t("cell.scores-none"));
  }

  follow(frames, last) {
    Object.assign(this, { frames, last });
  }

  turn(k) {
    const frame = this.frames[k];
    if (!frame?.programs.length) return;
    const folds = frame.programs.map(foldOf);
    const latest = this.frames.at(-1).programs.map(foldOf); // the order stays as the slider moves
    const order = [...folds.keys()].sort((a, b) => Math.abs(latest[b]) - Math.abs(latest[a])).slice(0, SHOWN);
    clear(this.holder);
    const table = make(this.holder, "table", { class: "bars", id: "programs" });
    make(table, "caption", {}, t("cell.scores-at", { hour: hoursOf(frame.hour) }));
    const head = make(make(table, "thead"), "tr");
    make(head, "th", { scope: "col" }, t("cell.program"));
    for (const key of ["untreated-short", "treated-short", "fold"]) make(head, "th", { scope: "col", class: "right" }, t(`cell.${key}`));
    make(head, "th", { scope: "col", class: "right" }, t("cell.over-time"));
    const body = make(table, "tbody");
    for (const program of order) this.row(body, program, frame, folds[program], k);
  }

  row(body, program, frame, fold, k) {
    const { name, colour } = this.map.programs[program], [treated, untreated] = frame.programs[program];
    const row = make(body, "tr", { dataset: { name }, mouseenter: () => this.onPoint(program), mouseleave: () => this.onPoint(-1) });
    const title = make(row, "th", { scope: "row" });
    make(title, "i", { class: "dot", style: { background: programColour(colour, document.documentElement.dataset.theme === "dark") }, "aria-hidden": "true" });
    make(title, "span", {}, name);
    for (const text of [words3(untreated), words3(treated), signed(fold)]) make(row, "td", { class: "right" }, text);
    this.line(make(row, "td", { class: "right spark" }), program, k);
  }

  /** The change of a program over the hours; the ends of the axis are ±2, wider where it goes further. */
  line(cell, program, k) {
    const folds = this.frames.map(({ programs }) => (programs.length ? foldOf(programs[program]) : 0));
    const reach = Math.max(0.5, ...folds.map(Math.abs));
    const svg = make(cell, "svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, "aria-hidden": "true" });
    const x = (i) => 2 + ((WIDE - 6) * i) / Math.max(1, this.last), y = (fold) => HIGH / 2 - (fold / reach) * (HIGH / 2 - 3);
    make(svg, "path", { class: "axis", d: `M0 ${HIGH / 2}H${WIDE}` });
    make(svg, "path", { class: "mean treated", d: `M${folds.map((fold, i) => `${x(i).toFixed(1)} ${y(fold).toFixed(1)}`).join("L")}` });
    make(svg, "circle", { class: "at", cx: x(k), cy: y(folds[k]), r: 2.6 });
  }
}

/** Log2 of treated over untreated; half a count in ten thousand keeps it finite. */
function foldOf([treated, untreated]) {
  return Math.log2((treated + 0.5) / (untreated + 0.5));
}
