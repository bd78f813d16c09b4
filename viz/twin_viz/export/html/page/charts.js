// Small line charts over time; a click on one goes to that time.

const NAMESPACE = element("svg").namespaceURI; // so that no address stands in this file

function draw(parent, name, attributes, text) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return parent.appendChild(made);
}

/** Round numbers between two ends, some so many of them. */
function ticksOf(low, high, n = 3) {
  if (!(high > low)) return [low];
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= raw);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return ticks;
}

/**
 * lines : [{color, name, points: [[h, value or null], …]}]. low, high : of the upright axis.
 * late : h from which on it is extrapolated, or null. dots : whether to mark the points. scaled : false for no upright axis.
 */
function chart(parent, { title, lines, low, high, late, height, now, label, dots, scaled, onTime }) {
  const figure = parent.appendChild(document.createElement("div"));
  figure.className = "chart";
  if (title) figure.appendChild(document.createElement("p")).textContent = title;
  const width = Math.max(220, parent.clientWidth || 290);
  const [left, right, top, bottom] = [44, 10, 6, 30];
  const svg = draw(figure, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const [first, last] = [record.hours[0], record.hours[record.hours.length - 1]];
  const long = last - first || 1;
  const x = (t) => left + ((t - first) / long) * (width - left - right);
  const y = (v) => top + (1 - (v - low) / (high - low || 1)) * (height - top - bottom);
  if (late != null && late < last) {
    const from = x(Math.max(late, first));
    const area = draw(svg, "rect", { class: "after", x: from, y: top, width: x(last) - from, height: height - top - bottom });
    draw(area, "title", {}, say("late.after", { time: hoursOf(late), late: say("late") }));
  }
  for (const tick of scaled === false ? [] : ticksOf(low, high)) {
    draw(svg, "path", { class: "axis", d: `M${left} ${y(tick)}H${width - right}` });
    draw(svg, "text", { x: left - 5, y: y(tick) + 3.5, "text-anchor": "end" }, words(tick));
  }
  const hours = ticksOf(first, last);
  for (const tick of hours) draw(svg, "text", { x: x(tick), y: height - bottom + 14, "text-anchor": "middle" }, words(tick));
  draw(svg, "text", { x: width - right, y: height - 3, "text-anchor": "end" }, say("hours.axis"));
  for (const { color, name, points } of lines) {
    let path = "", open = false;
    for (const [t, v] of points) {
      if (v === null || !Number.isFinite(v)) { open = false; continue; }
      path += `${open ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      open = true;
    }
    if (!path) continue;
    const curve = draw(svg, "path", { class: "curve", stroke: color, d: path });
    draw(curve, "title", {}, name);
    const known = points.filter(([, v]) => v !== null && Number.isFinite(v));
    if (dots || known.length === 1) {
      for (const [t, v] of known) draw(svg, "circle", { cx: x(t), cy: y(v), r: 2.2, fill: color });
    }
  }
  draw(svg, "path", { class: "now", d: `M${x(now)} ${top}V${height - bottom}` });
  svg.addEventListener("click", (event) => {
    const place = svg.getBoundingClientRect();
    const t = first + (((event.clientX - place.left) / place.width) * width - left) / (width - left - right) * long;
    const near = record.hours.map((h) => Math.abs(h - t));
    onTime(near.indexOf(Math.min(...near)));
  });
}

/** A strip of what category a cell is in at each time. */
function strip(parent, { points, late, now, label, onTime }) {
  const numbers = points.map(([t, color]) => ({ t, color })).filter(({ color }) => color !== null);
  const lines = numbers.map(({ t, color }) => ({ color, name: "", points: [[t, 0.5]] }));
  chart(parent, { lines, low: 0, high: 1, late, height: 56, now, label, dots: true, scaled: false, onTime });
}
