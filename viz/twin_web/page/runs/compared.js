// What two sides differ in: genes, composition, readouts over time, and what their scenarios say.
import { clear, make } from "../lib/dom.js";
import { count, hours, percent, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { curves, volcano } from "./charts.js";

const WEAK = 0.5; // support below which the model guesses
const FIRST_ROWS = 25; // genes of the table before the rest is asked for

/** Fill an element with what was found, and return what takes it down. */
export function compared(parent, found) {
  const [first, second] = found.names;
  const head = make(parent, "div", { class: "row versus", id: "versus" });
  name(head, 0, first);
  make(head, "span", { class: "hint" }, t("runs.against"));
  name(head, 1, second);
  make(head, "span", { class: "hint number" }, t("runs.at-hour", { hour: hours(found.hour), compartment: found.compartment }));
  found.support.forEach((least, i) => {
    if (least !== null && least < WEAK) make(parent, "p", { class: "beyond" }, t("runs.weak", { name: found.names[i], support: words3(least) }));
  });
  found.extrapolated.forEach((beyond, i) => {
    if (beyond) make(parent, "p", { class: "beyond" }, t("runs.beyond", { name: found.names[i] }));
  });
  if (found.bits) make(parent, "p", { class: found.bits.same ? "hint same" : "hint" }, found.bits.same ? t("runs.same") : t("runs.bits", { n: count(found.bits.n) }));
  const takeDown = genes(parent, found);
  composition(parent, found);
  readouts(parent, found);
  scenario(parent, found);
  return takeDown;
}

function name(parent, side, text) {
  const box = make(parent, "b", { class: `side-name side${side}` });
  const key = make(box, "svg", { viewBox: "0 0 26 8", class: "key", "aria-hidden": "true" });
  make(key, "line", { class: `curve side${side}`, x1: 1, x2: 25, y1: 4, y2: 4 });
  box.append(text);
}

function genes(parent, found) {
  const part = section(parent, "genes");
  if (!found.genes) {
    make(part, "p", { class: "hint" }, found.why);
    return () => {};
  }
  make(part, "p", { id: "genes-told" }, t("runs.genes-told", {
    n: count(found.significant), of: count(found.tested), test: found.pairs ? t("runs.test-pairs", { n: found.pairs }) : t("runs.test-ranks"),
    first: count(found.n[0]), second: count(found.n[1]),
  }));
  const both = make(part, "div", { class: "beside" });
  const takeDown = volcano(make(both, "div", {}), found);
  const holder = make(both, "div", { class: "scroll genes" });
  const table = make(holder, "table", { class: "table", id: "genes" });
  const head = make(make(table, "thead"), "tr");
  for (const [i, key] of ["gene", "log2fc", "fdr", "share-of", "share-of"].entries()) {
    make(head, "th", { scope: "col", class: i ? "right" : "" }, t(`runs.${key}`, { name: found.names[i - 3] ?? "" }));
  }
  const body = make(table, "tbody");
  const rows = (list) => {
    for (const { gene, log2fc, fdr, share } of list) {
      const line = make(body, "tr");
      make(line, "th", { scope: "row" }, gene);
      make(line, "td", { class: "right" }, `${log2fc > 0 ? "▲" : "▼"} ${words3(log2fc)}`);
      make(line, "td", { class: "right" }, words3(fdr));
      for (const part of share) make(line, "td", { class: "right" }, percent(part));
    }
  };
  rows(found.genes.slice(0, FIRST_ROWS));
  if (found.genes.length > FIRST_ROWS) {
    const more = make(holder, "button", { type: "button", class: "button small", click: () => { rows(found.genes.slice(FIRST_ROWS)); more.remove(); } }, t("runs.more-genes", { n: count(found.genes.length) }));
  }
  return takeDown;
}

function composition(parent, { composition: { types, first, second }, names }) {
  const part = section(parent, "composition");
  const sums = [first, second].map((counts) => counts.reduce((a, b) => a + b, 0));
  const most = Math.max(...first, ...second, 1);
  const table = make(make(part, "div", { class: "scroll" }), "table", { class: "table bars", id: "composition" });
  const head = make(make(table, "thead"), "tr");
  make(head, "th", { scope: "col" }, t("runs.cell-type"));
  for (const side of names) make(head, "th", { scope: "col", colspan: 2 }, side);
  make(head, "th", { scope: "col", class: "right" }, t("runs.difference"));
  const body = make(table, "tbody");
  const row = (title, a, b) => {
    const line = make(body, "tr");
    make(line, "th", { scope: "row" }, title);
    for (const [side, n] of [a, b].entries()) {
      make(line, "td", { class: "right number" }, `${words3(n)} (${percent(n / Math.max(sums[side], 1e-9))})`);
      const bar = make(make(line, "td", { class: "barred", "aria-hidden": "true" }), "i", { class: `side${side}` });
      bar.style.width = `${Math.min(100, (100 * n) / most)}%`;
    }
    make(line, "td", { class: "right number" }, signed(a - b));
  };
  types.forEach((type, i) => row(type, first[i], second[i]));
}

function readouts(parent, { readouts: all, names }) {
  if (!all.length) return;
  const part = section(parent, "readouts");
  const field = make(part, "div", { class: "row" });
  make(field, "label", { for: "readout" }, t("runs.readout"));
  const select = make(field, "select", { id: "readout" });
  all.forEach((one, i) => select.add(new Option(one.name.replaceAll("_", " "), String(i))));
  const changing = all.findIndex(({ name: key }) => key === "response_by_type" || key === "program_score");
  select.value = String(Math.max(0, changing));
  const about = make(field, "span", { class: "hint" });
  const grid = make(part, "div", { class: "charts", id: "charts" });
  const holder = make(part, "div", { class: "scroll" });
  const draw = () => {
    const one = all[Number(select.value)];
    const units = one.units === "1" ? "" : one.units;
    about.textContent = [one.about, units && `(${units})`].filter(Boolean).join(" ");
    clear(grid);
    clear(holder);
    for (const line of one.lines) {
      const figure = make(grid, "figure", {});
      make(figure, "figcaption", {}, line.label || t("runs.all"));
      curves(figure, { hours: one.hours, line, words: t("runs.curve-says", { label: line.label || one.name, first: names[0], a: ends(line.first), second: names[1], b: ends(line.second) }) });
    }
    if (one.more) make(grid, "p", { class: "hint" }, t("runs.and-more", { n: count(one.more) }));
    table(holder, one, names);
  };
  select.addEventListener("change", draw);
  draw();
}

/** Write where the curves end: what is seen, in numbers. */
function table(parent, one, names) {
  const made = make(parent, "table", { class: "table", id: "readout-table" });
  const head = make(make(made, "thead"), "tr");
  make(head, "th", { scope: "col" }, t("runs.at-end"));
  for (const side of names) make(head, "th", { scope: "col", class: "right" }, side);
  make(head, "th", { scope: "col", class: "right" }, t("runs.difference"));
  const body = make(made, "tbody");
  for (const line of one.lines) {
    const row = make(body, "tr");
    const values = [line.first, line.second].map(lastOf);
    make(row, "th", { scope: "row" }, line.label || t("runs.all"));
    for (const [mean, margin] of values) make(row, "td", { class: "right" }, margin ? `${words3(mean)} ± ${words3(margin)}` : words3(mean));
    make(row, "td", { class: "right" }, signed(values[0][0] - values[1][0]));
  }
}

function scenario(parent, { scenario: rows, names }) {
  if (!rows.length) return;
  const part = section(parent, "scenario-differs");
  const made = make(make(part, "div", { class: "scroll" }), "table", { class: "table", id: "scenario-table" });
  const head = make(make(made, "thead"), "tr");
  for (const title of [t("runs.key"), ...names]) make(head, "th", { scope: "col" }, title);
  const body = make(made, "tbody");
  for (const { key, first, second } of rows) {
    const row = make(body, "tr");
    make(row, "th", { scope: "row" }, key);
    for (const value of [first, second]) make(row, "td", { class: "code" }, value ?? t("runs.absent"));
  }
}

function section(parent, key) {
  const part = make(parent, "section", { class: "part", dataset: { part: key } });
  make(part, "h3", {}, t(`runs.${key}`));
  return part;
}

function lastOf({ mean, margin }) {
  const at = mean.findLastIndex((value) => value !== null);
  return [mean[at], margin[at]];
}

function ends(side) {
  const first = side.mean.find((value) => value !== null);
  return `${words3(first)} → ${words3(lastOf(side)[0])}`;
}

function signed(x) {
  return x > 0 ? `+${words3(x)}` : words3(x);
}
