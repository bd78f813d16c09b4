// A chart of readouts over time: curves with their axes, units and legend, and the same numbers as a table.
import { make } from "../lib/dom.js";
import { hours, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { hourTicks, ticksOf } from "./ticks.js";

const HEIGHT = 168; // px
const EDGE = { left: 50, right: 12, top: 8, bottom: 34 }; // px
const DASHES = ["", "7 4", "2 3", "9 3 2 3"]; // of futures: told apart without colour as well
const MOST_ROWS = 25; // of the table; our choice

/**
 * Draw a chart into `parent`.
 *
 * series : [{name, color, dash: 0…3, points: [[hour, value or null, low, high], …]}]; low and high may be missing.
 * span : [first, last] hour. now : the hour that is shown. late : hour from which on it is extrapolated, or null.
 * onTime(hour) : called when a time is clicked. Returns move(hour), which shows another hour.
 */
export function chart(parent, { title, units, series, span, now, late = null, onTime }) {
  const figure = make(parent, "figure", { class: "readout", dataset: { testid: "chart" } });
  make(figure, "figcaption", {}, units && units !== "1" ? t("tissue.chart.title", { title, units }) : title);
  const drawn = series.filter(({ points }) => points.some(([, value]) => isNumber(value)));
  if (drawn.length === 0) {
    make(figure, "p", { class: "hint" }, t("tissue.chart.empty"));
    return () => {};
  }
  const width = Math.max(260, parent.clientWidth || 420);
  const scale = scales(drawn, span, width);
  const svg = make(figure, "svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": told(title, units, drawn) });
  axes(svg, scale, span, late, width);
  for (const one of drawn) curve(svg, one, scale);
  const mark = make(svg, "path", { class: "now" });
  const move = (hour) => mark.setAttribute("d", `M${scale.x(hour).toFixed(1)} ${EDGE.top}V${HEIGHT - EDGE.bottom}`);
  move(now);
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    onTime(scale.hour(((event.clientX - box.left) / box.width) * width));
  });
  legend(figure, drawn);
  table(figure, title, drawn);
  return move;
}

const isNumber = (value) => value !== null && Number.isFinite(value);

function scales(series, [first, last], width) {
  const values = series.flatMap(({ points }) => points.flatMap(([, ...numbers]) => numbers.filter(isNumber)));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const low = least >= 0 && least < 0.6 * most ? 0 : least;
  const high = most > low ? most + 0.05 * (most - low) : low + Math.max(1, Math.abs(low) * 0.1);
  const [across, up] = [width - EDGE.left - EDGE.right, HEIGHT - EDGE.top - EDGE.bottom];
  const long = last - first || 1;
  return {
    low, high,
    x: (hour) => EDGE.left + ((hour - first) / long) * across,
    y: (value) => EDGE.top + (1 - (value - low) / (high - low)) * up,
    hour: (x) => Math.max(first, Math.min(last, first + ((x - EDGE.left) / across) * long)),
  };
}

function axes(svg, { x, y, low, high }, [first, last], late, width) {
  const bottom = HEIGHT - EDGE.bottom;
  if (late !== null && late < last) {
    const from = x(Math.max(late, first));
    const area = make(svg, "rect", { class: "late", x: from, y: EDGE.top, width: x(last) - from, height: bottom - EDGE.top });
    make(area, "title", {}, t("tissue.late"));
  }
  for (const tick of ticksOf(low, high, 4)) {
    make(svg, "path", { class: "grid", d: `M${EDGE.left} ${y(tick).toFixed(1)}H${width - EDGE.right}` });
    make(svg, "text", { x: EDGE.left - 6, y: y(tick) + 3.5, "text-anchor": "end" }, words3(tick));
  }
  for (const tick of hourTicks(first, last, width / 70)) {
    make(svg, "path", { class: "grid", d: `M${x(tick).toFixed(1)} ${bottom}v4` });
    make(svg, "text", { x: x(tick), y: bottom + 15, "text-anchor": "middle" }, words3(tick));
  }
  make(svg, "path", { class: "axis", d: `M${EDGE.left} ${bottom}H${width - EDGE.right}` });
  make(svg, "text", { x: width - EDGE.right, y: HEIGHT - 5, "text-anchor": "end" }, t("tissue.chart.time"));
}

function curve(svg, { name, color, dash = 0, points }, { x, y }) {
  const banded = points.filter(([, , low, high]) => isNumber(low) && isNumber(high) && high > low);
  if (banded.length > 1) {
    const upper = banded.map(([hour, , , high]) => `${x(hour).toFixed(1)} ${y(high).toFixed(1)}`);
    const lower = banded.map(([hour, , low]) => `${x(hour).toFixed(1)} ${y(low).toFixed(1)}`).reverse();
    make(svg, "path", { class: "band", fill: color, d: `M${[...upper, ...lower].join("L")}Z` });
  }
  const known = points.filter(([, value]) => isNumber(value));
  if (known.length === 1) make(svg, "circle", { cx: x(known[0][0]), cy: y(known[0][1]), r: 2.6, fill: color });
  let way = "", open = false;
  for (const [hour, value] of points) {
    if (isNumber(value)) way += `${open ? "L" : "M"}${x(hour).toFixed(1)} ${y(value).toFixed(1)}`;
    open = isNumber(value);
  }
  const path = make(svg, "path", { class: "curve", stroke: color, "stroke-dasharray": DASHES[dash % DASHES.length], d: way });
  make(path, "title", {}, name);
}

function told(title, units, series) {
  const ends = series.map(({ name, points }) => {
    const known = points.filter(([, value]) => isNumber(value));
    const [first, last] = [known[0], known[known.length - 1]];
    return t("tissue.chart.course", { name, first: words3(first[1]), last: words3(last[1]), from: hours(first[0]), to: hours(last[0]) });
  });
  return [units && units !== "1" ? t("tissue.chart.title", { title, units }) : title, ...ends].join("; ");
}

function legend(figure, series) {
  const list = make(figure, "ul", { class: "keys" });
  for (const { name, color, dash = 0 } of series) {
    const item = make(list, "li");
    const line = make(item, "svg", { viewBox: "0 0 22 8", "aria-hidden": "true" });
    make(line, "path", { class: "curve", stroke: color, "stroke-dasharray": DASHES[dash % DASHES.length], d: "M1 4H21" });
    make(item, "span", {}, name);
  }
}

function table(figure, title, series) {
  const details = make(figure, "details", { class: "numbers" });
  make(details, "summary", {}, t("tissue.chart.numbers"));
  details.addEventListener("toggle", () => details.open && fill(make(details, "div", { class: "scroll" }), title, series), { once: true });
}

function fill(holder, title, series) {
  const all = [...new Set(series.flatMap(({ points }) => points.map(([hour]) => hour)))].sort((a, b) => a - b);
  const step = Math.ceil(all.length / MOST_ROWS);
  const grid = make(holder, "table", { class: "table" });
  make(grid, "caption", { class: "unseen" }, title);
  const head = make(make(grid, "thead"), "tr");
  make(head, "th", { scope: "col" }, t("tissue.chart.hour"));
  for (const { name } of series) make(head, "th", { scope: "col", class: "right" }, name);
  const body = make(grid, "tbody");
  for (const hour of all.filter((_, i) => i % step === 0 || i === all.length - 1)) {
    const row = make(body, "tr");
    make(row, "th", { scope: "row" }, hours(hour));
    for (const { points } of series) {
      const found = points.find(([at]) => at === hour);
      make(row, "td", { class: "right" }, found && isNumber(found[1]) ? words3(found[1]) : "–");
    }
  }
}
