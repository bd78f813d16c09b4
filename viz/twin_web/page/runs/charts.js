// Charts of a comparison: two curves with their bands, and a volcano; what they show stands in a table beside them, too.
import { make } from "../lib/dom.js";
import { words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";

const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [260, 132, 44, 8, 8, 22]; // px
const NAMED = 10; // genes of a volcano
const POINTS = 60; // of the surest, which no name covers
const FLOOR = 1e-300; // p below it are drawn there

/** Draw two curves over time: the first solid, the second dashed. hours, mean, margin: of each side. */
export function curves(parent, { hours, line, words }) {
  const sides = [line.first, line.second];
  const all = sides.flatMap(({ mean, margin }) => mean.flatMap((m, i) =>
    m === null ? [] : [m - (margin[i] ?? 0), m + (margin[i] ?? 0)]));
  const [low, high] = spread(Math.min(...all), Math.max(...all));
  const last = Math.max(...hours.flat(), 1e-9);
  const first = Math.min(...hours.flat());
  const x = (h) => LEFT + ((WIDE - LEFT - RIGHT) * (h - first)) / Math.max(last - first, 1e-9);
  const y = (v) => HIGH - BOTTOM - ((HIGH - TOP - BOTTOM) * (v - low)) / (high - low);
  const svg = make(parent, "svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": words, class: "curves" });
  for (const value of ticks(low, high)) {
    make(svg, "line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: y(value), y2: y(value) });
    make(svg, "text", { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" }, words3(value));
  }
  for (const [i, h] of [first, (first + last) / 2, last].entries()) {
    const anchor = ["start", "middle", "end"][i];
    make(svg, "text", { x: x(h), y: HIGH - 6, "text-anchor": anchor }, `${words3(h)} h`);
  }
  for (const [i, { mean, margin }] of sides.entries()) {
    const points = mean.flatMap((m, k) => (m === null ? [] : [[x(hours[i][k]), m, margin[k] ?? 0]]));
    const up = points.map(([h, m, d]) => `${h.toFixed(1)},${y(m + d).toFixed(1)}`);
    const back = points.map(([h, m, d]) => `${h.toFixed(1)},${y(m - d).toFixed(1)}`).reverse();
    if (points.some(([, , d]) => d > 0)) make(svg, "polygon", { class: `band side${i}`, points: [...up, ...back].join(" ") });
    make(svg, "polyline", { class: `curve side${i}`, points: points.map(([h, m]) => `${h.toFixed(1)},${y(m).toFixed(1)}`).join(" ") });
  }
  return svg;
}

/** Draw the change of every gene against how sure it is; those that differ most are named. */
export function volcano(parent, { volcano: found, significant, tested, names }) {
  const canvas = make(parent, "canvas", {
    role: "img", class: "volcano", id: "volcano",
    "aria-label": t("runs.volcano-says", { significant, tested, first: names[0], second: names[1], genes: found.gene.slice(0, 5).join(", ") }),
  });
  const draw = () => paint(canvas, found, significant, names);
  const watch = new ResizeObserver(draw); // it is drawn as wide as it stands, the first time, too
  watch.observe(canvas);
  document.addEventListener("theme", draw);
  return () => {
    watch.disconnect();
    document.removeEventListener("theme", draw);
  };
}

function paint(canvas, found, significant, names) {
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (!wide || !high) return;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(wide * scale);
  canvas.height = Math.round(high * scale);
  const pen = canvas.getContext("2d");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const [left, right, top, bottom] = [44, 12, 14, 40];
  const most = Math.max(1, ...found.log2fc.map(Math.abs)) * 1.08;
  const sure = found.p.map((p) => -Math.log10(Math.max(p, FLOOR)));
  const tallest = Math.max(1, ...sure) * 1.08;
  const x = (v) => left + ((wide - left - right) * (v + most)) / (2 * most);
  const y = (v) => high - bottom - ((high - top - bottom) * v) / tallest;
  pen.scale(scale, scale);
  pen.clearRect(0, 0, wide, high);
  pen.font = "11px system-ui, sans-serif";
  pen.strokeStyle = color("--line");
  pen.fillStyle = color("--soft");
  pen.textAlign = "right";
  for (const v of ticks(0, tallest)) {
    line(pen, left, y(v), wide - right, y(v));
    pen.fillText(words3(v), left - 6, y(v) + 4);
  }
  pen.textAlign = "center";
  for (const v of ticks(-most, most)) pen.fillText(words3(v), x(v), high - bottom + 15);
  line(pen, x(0), top, x(0), high - bottom);
  pen.fillText(t("runs.log2fc-axis", { first: short(names[0]), second: short(names[1]) }), left + (wide - left - right) / 2, high - 7);
  pen.save();
  pen.translate(11, top + (high - top - bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText("−log₁₀ p", 0, 0);
  pen.restore();
  const [soft, first, second] = [color("--frame"), color("--accent"), color("--late")];
  for (let i = found.gene.length - 1; i >= 0; i -= 1) {
    pen.fillStyle = i >= significant ? soft : found.log2fc[i] > 0 ? first : second;
    pen.globalAlpha = i >= significant ? 0.45 : 0.8;
    pen.beginPath();
    pen.arc(x(found.log2fc[i]), y(sure[i]), i >= significant ? 1.6 : 2.4, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.fillStyle = color("--ink");
  label(pen, found, sure, Math.min(NAMED, significant), x, y, wide - right);
}

/** Write names beside their points where neither another name nor one of the surest points stands. */
function label(pen, found, sure, n, x, y, end) {
  const taken = found.gene.slice(0, POINTS).map((_, i) => ({ x: x(found.log2fc[i]) - 3, y: y(sure[i]) + 4, wide: 6 }));
  const isFree = ({ x: left, y: top, wide }) => !taken.some((other) =>
    Math.abs(other.y - top) < 10 && other.x < left + wide && left < other.x + other.wide);
  pen.textAlign = "left";
  for (let i = 0; i < n; i += 1) {
    const wide = pen.measureText(found.gene[i]).width;
    const [at, level] = [x(found.log2fc[i]), y(sure[i]) + 4];
    const places = [at + 6, at - 6 - wide].map((left) => ({ x: left, y: level, wide }));
    const box = places.find((place) => place.x + wide < end && isFree(place));
    if (!box) continue;
    taken.push(box);
    pen.fillText(found.gene[i], box.x, box.y);
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function short(name) {
  return name.length > 26 ? `${name.slice(0, 25)}…` : name;
}

/** Return bounds with some air; what never changes stands in the middle. */
function spread(low, high) {
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 && low - air < 0 ? 0 : low - air, high + air];
}

/** Return some three to six round numbers between two. */
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= rough);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) found.push(Math.abs(v) < 1e-9 * step ? 0 : v);
  return found;
}
