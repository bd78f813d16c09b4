// The picked cell: what it is now, and what it was.

/** The value of a paint of one cell, in words. */
function valueOf(frame, number, index) {
  const { names } = record.paints[number];
  if (!names) return words(numberIn(frame, number, index));
  const name = names[codesOf(frame, number)[index]] ?? "–";
  return number === record.types ? name : term(name);
}

/** The label of a paint; of a gene without its unit. */
const titleOf = (paint) => (paint.kind === "gene" ? paint.name : labelOf(paint));

/** Whether a paint tells cells apart, as far as is known. */
const isTelling = (paint) => paint.tells !== false;

function describe(holder, frame, index, id, future) {
  const name = record.futures[future].name;
  const who = [say("cell.who", { id }), valueOf(frame, record.types, index), name];
  make(holder, "p", { className: "who" }, who.filter(Boolean).join(" · "));
  const table = make(holder, "table", {});
  const row = (title, value, test) => {
    const line = make(table, "tr", {});
    make(line, "th", { scope: "row" }, title);
    make(line, "td", {}, value).dataset.of = test;
  };
  row(say("cell.radius"), words(radiusOf(frame, index)), "radius");
  row(say("cell.place"), placeOf(frame, index).map((v) => words(Number(v.toFixed(1)))).join(", "), "place");
  row(say("cell.alive"), say(frame.alive[index] ? "yes" : "no"), "alive");
  const isThere = (paint, i) => i !== record.types && frame.paints[i] && isTelling(paint);
  record.paints.forEach((paint, i) => isThere(paint, i) && row(titleOf(paint), valueOf(frame, i, index), paint.name));
  if (record.paints.some((paint, i) => paint.kind === "gene" && isThere(paint, i))) {
    make(holder, "p", { className: "hint" }, say("cell.genes"));
  }
}

/** Where a cell is at each time of its future: [h, frame, index], only times at which it is there. */
async function lifeOf(future, who, number) {
  const life = [];
  for (const [t, part] of record.futures[future].frames.entries()) {
    if (!part) continue;
    const frame = await colored(part, number), index = indexOf(frame, who);
    if (index >= 0) life.push([record.hours[t], frame, index]);
  }
  return life;
}

/** picked : {future, who}. number : of the paint. Draws anew; `isStale` tells that something else was asked for meanwhile. */
async function showCell(holder, picked, t, number, onTime, onRelease, isStale) {
  if (!picked) {
    holder.replaceChildren();
    make(holder, "p", { className: "hint" }, say("cell.none"));
    return;
  }
  const { future, who } = picked, paint = record.paints[number], hour = record.hours[t];
  const part = record.futures[future].frames[t];
  const frame = part ? await colored(part, number) : null;
  const life = await lifeOf(future, who, number);
  if (isStale()) return;
  holder.replaceChildren();
  const index = frame ? indexOf(frame, who) : -1;
  if (index >= 0) describe(holder, frame, index, idOf(who), future);
  else {
    make(holder, "p", { className: "who" }, say("cell.who", { id: idOf(who) }));
    const [first, last] = [life[0], life[life.length - 1]].map(([h]) => hoursOf(h));
    make(holder, "p", { className: "hint" }, say("cell.gone", { time: hoursOf(hour), first, last }));
  }
  const late = record.futures[future].measured ?? null;
  const label = say("cell.course", { what: labelOf(paint), id: idOf(who) });
  make(holder, "p", { className: "hint" }, labelOf(paint));
  if (paint.names) {
    const colorOf = (code) => (code === NONE ? record.look.nothing : paint.legend[paint.group[code]].color);
    const points = life.map(([h, f, i]) => [h, colorOf(codesOf(f, number)[i])]);
    strip(holder, { points, late, now: hour, label, onTime });
  } else {
    const points = life.map(([h, f, i]) => [h, numberIn(f, number, i)]);
    const high = Math.max(paint.high, ...points.map(([, v]) => v).filter(Number.isFinite));
    const lines = [{ color: "var(--accent)", name: label, points }];
    chart(holder, { lines, low: paint.low, high, late, height: 130, now: hour, label, dots: true, onTime });
  }
  const row = make(holder, "div", { className: "row" });
  if (index >= 0) announce("described", { row, frame, index, future, who });
  make(row, "button", { type: "button", id: "release" }, say("cell.clear")).addEventListener("click", onRelease);
}
