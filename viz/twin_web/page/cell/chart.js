// A small chart over the hours: two lines, each with its band over replicate cells.
import { clear, make } from "../lib/dom.js";
import { words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";

const NARROWEST = 180, HEIGHT = 118; // of the drawing, px
const [LEFT, RIGHT, TOP, BOTTOM] = [38, 8, 6, 26];

/** Round numbers between 0 and a height, some three. */
function ticksTo(high) {
  const raw = high / 3, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= raw);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, k) => k * step);
}

const hourStep = (last) => [1, 2, 3, 6, 12, 24].find((step) => last / step <= 5) ?? 24;

/**
 * hours: [h]; treated, untreated: [[mean, low, high] a time]; last: h of the axis; now: h of the line of now.
 * Returns the figure; its numbers stand in words in the label of the picture.
 */
export function bandChart(parent, { gene, hours, treated, untreated, last, now, label }) {
  clear(parent);
  const width = Math.max(NARROWEST, parent.clientWidth);
  const svg = make(parent, "svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label, class: "band-chart", dataset: { gene } });
  const high = Math.max(1e-6, ...treated.map(([, , top]) => top), ...untreated.map(([, , top]) => top)) * 1.06;
  const x = (hour) => LEFT + (hour / Math.max(last, 1)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / high) * (HEIGHT - TOP - BOTTOM);
  for (const tick of ticksTo(high)) {
    make(svg, "path", { class: "axis", d: `M${LEFT} ${y(tick).toFixed(1)}H${width - RIGHT}` });
    make(svg, "text", { x: LEFT - 5, y: y(tick) + 3.5, "text-anchor": "end" }, words3(tick));
  }
  for (let hour = 0; hour <= last; hour += hourStep(last)) {
    make(svg, "text", { x: x(hour), y: HEIGHT - BOTTOM + 13, "text-anchor": "middle" }, String(hour));
  }
  make(svg, "text", { x: width - RIGHT, y: HEIGHT - 2, "text-anchor": "end" }, t("cell.time-axis"));
  for (const [kind, arm] of [["untreated", untreated], ["treated", treated]]) {
    const along = (column) => arm.map((values, i) => `${x(hours[i]).toFixed(1)} ${y(values[column]).toFixed(1)}`);
    if (!arm.length) continue;
    make(svg, "path", { class: `band ${kind}`, d: `M${along(2).join("L")}L${along(1).reverse().join("L")}Z` });
    make(svg, "path", { class: `mean ${kind}`, d: `M${along(0).join("L")}` });
  }
  make(svg, "path", { class: "now", d: `M${x(now).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}` });
  return svg;
}
