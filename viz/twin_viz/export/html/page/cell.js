// The picked cell: what it is now, and what it was.

const NO_CELL = "Click a cell to see its numbers and to follow it over time.";

/** The value of a paint of one cell, in words. */
function valueOf(paint, code) {
  if (paint.names) return paint.names[code] ?? "–";
  return words(numberOf(paint, code));
}

/** The label without its unit, and the unit. */
const titleOf = (paint) => (paint.kind === "gene" ? paint.name : paint.label);

function describe(holder, frame, index, id, future) {
  const code = (paint) => frame.paints[record.paints.indexOf(paint)][index];
  const types = record.paints[record.types];
  const name = record.futures[future].name;
  make(holder, "p", { className: "who" }, `cell ${id} · ${valueOf(types, code(types))}${name ? ` · ${name}` : ""}`);
  const table = make(holder, "table", {});
  const row = (title, value, test) => {
    const line = make(table, "tr", {});
    make(line, "th", { scope: "row" }, title);
    make(line, "td", {}, value).dataset.of = test;
  };
  const place = [0, 1, 2].map((a) => box[0][a] + (frame.place[4 * index + a] / STEPS) * edge[a]);
  row("radius (µm)", words((frame.place[4 * index + 3] / STEPS) * record.radius), "radius");
  row("place x, y, z (µm)", place.map((v) => words(Number(v.toFixed(1)))).join(", "), "place");
  row("alive", frame.alive[index] ? "yes" : "no", "alive");
  for (const paint of record.paints) if (paint !== types) row(titleOf(paint), valueOf(paint, code(paint)), paint.name);
  if (record.paints.some((paint) => paint.kind === "gene")) {
    make(holder, "p", { className: "hint" }, "genes and programs: log(1 + counts per 10,000)");
  }
}

/** Where a cell is at each time of its future: [h, frame, index], only times at which it is there. */
async function lifeOf(future, who) {
  const life = [];
  for (const t of record.futures[future].times) {
    const frame = await frameOf(record.futures[future].frames[t]);
    const index = indexOf(frame, who);
    if (index >= 0) life.push([record.hours[t], frame, index]);
  }
  return life;
}

/** picked : {future, who}. Draws anew; `isStale` tells that something else was asked for meanwhile. */
async function showCell(holder, picked, t, paint, idOf, onTime, onRelease, isStale) {
  if (!picked) {
    holder.replaceChildren();
    make(holder, "p", { className: "hint" }, NO_CELL);
    return;
  }
  const { future, who } = picked, number = record.paints.indexOf(paint), hour = record.hours[t];
  const piece = record.futures[future].frames[t];
  const frame = piece ? await frameOf(piece) : null;
  const life = await lifeOf(future, who);
  if (isStale()) return;
  holder.replaceChildren();
  const index = frame ? indexOf(frame, who) : -1;
  if (index >= 0) describe(holder, frame, index, idOf(who), future);
  else {
    make(holder, "p", { className: "who" }, `cell ${idOf(who)}`);
    const span = `${hoursOf(life[0][0])} to ${hoursOf(life[life.length - 1][0])}`;
    make(holder, "p", { className: "hint" }, `It is not there at ${hoursOf(hour)}; it was seen from ${span}.`);
  }
  const late = record.futures[future].measured;
  const label = `${paint.label} of cell ${idOf(who)} over time`;
  make(holder, "p", { className: "hint" }, paint.label);
  if (paint.names) {
    const points = life.map(([h, f, i]) => [h, paint.legend[paint.group[f.paints[number][i]]].color]);
    strip(holder, { points, late, now: hour, label, onTime });
  } else {
    const points = life.map(([h, f, i]) => [h, numberOf(paint, f.paints[number][i])]);
    const high = Math.max(paint.high, ...points.map(([, v]) => v).filter(Number.isFinite));
    const lines = [{ color: "var(--accent)", name: label, points }];
    chart(holder, { lines, low: paint.low, high, late, height: 130, now: hour, label, dots: true, onTime });
  }
  make(holder, "button", { type: "button", id: "release" }, "Clear").addEventListener("click", onRelease);
}
