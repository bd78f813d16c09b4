// What is known of the ways to colour cells. Each kept time tells its own part; a scale is that of all that were read.

const DECADES = 3; // of concentration that a colour bar spans
const PAUSE = 250; // ms between colours that change because more was read; our choice
const shared = new BroadcastChannel(`twin scale ${location.pathname} ${address.get("run")} ${record.compartment}`);

/** What a paint is before any of its numbers are known. */
function unknownRange() {
  return { min: Infinity, max: -Infinity, end: -Infinity, low: 0, high: 1, clipped: false, gaps: false };
}

/** The number of the paint of this name; of a new one, that of a gene or program until something else is known. */
function paintOf(name, about = {}) {
  const known = record.paints.findIndex((paint) => paint.name === name);
  if (known >= 0) return known;
  const label = `${name}, ${SCALE}`;
  return record.paints.push({ name, kind: "gene", label, bodies: false, ...unknownRange(), ...about }) - 1;
}

/** Give a frame the codes of one column, and the paint what they tell. codes : null where all cells are alike. */
function takeColumn(frame, about, codes) {
  const { name, kind, label, names } = about;
  const isNew = kind !== "gene" && { kind, label: label || name, tells: false };
  const number = paintOf(name, names ? { ...isNew, names: [], group: [], legend: [] } : isNew), paint = record.paints[number];
  if (names) {
    const own = names.map((word) => placeOfWord(paint, word)); // code of the column → that of the paint
    const used = new Set(codes || (frame.n ? [about.first] : []));
    for (const code of used) paint.legend[paint.group[own[code]]].seen = true;
    frame.paints[number] = codes ? codes.map((code) => own[code] ?? NONE) : new Uint16Array(frame.n).fill(own[about.first]);
    if (used.size > 1 || (used.size === 1 && (paint.only ??= own[about.first]) !== own[about.first])) tellsApart(paint);
    return;
  }
  frame.ranges[number] = [about.min, about.max];
  frame.paints[number] = codes || new Uint16Array(frame.n);
  if (about.any && widen(paint, about)) shared.postMessage({ paint: paint.name, ...about });
}

/** The code of a category; a new one takes a colour that is left. */
function placeOfWord(paint, word) {
  const known = paint.names.indexOf(word);
  if (known >= 0) return known;
  const { categories, others } = record.look, other = paint.legend.findIndex((entry) => entry.isOther);
  if (paint.legend.length < categories.length && other < 0) {
    paint.group.push(paint.legend.push({ name: word, color: categories[paint.legend.length], seen: false }) - 1);
  } else {
    paint.group.push(other >= 0 ? other : paint.legend.push({ name: "other", color: others, isOther: true, seen: false }) - 1);
  }
  return paint.names.push(word) - 1;
}

/** A column that is not the same everywhere is offered. */
function tellsApart(paint) {
  if (paint.tells !== false) return;
  paint.tells = true;
  showPaints();
}

/** Let the range of a paint hold that of another time; whether it changed. Ends of colours are as in all pictures. */
function widen(paint, { min, max, end, gaps }) {
  const before = [paint.min, paint.max, paint.end, paint.gaps].join();
  Object.assign(paint, { min: Math.min(paint.min, min), max: Math.max(paint.max, max), end: Math.max(paint.end, end) });
  paint.gaps ||= gaps;
  if (before === [paint.min, paint.max, paint.end, paint.gaps].join()) return false;
  const low = paint.min < paint.max / 2 ? Math.min(0, paint.min) : paint.min;
  const high = [paint.end, paint.max, low + 1].find((one) => one > low);
  Object.assign(paint, { low, high, clipped: paint.max > high });
  if (paint.max > paint.min) tellsApart(paint);
  if (paint === paintNow()) recolorSoon();
  return true;
}

/** What a volume tells of a substance: the ends of its colour bar are those of all that were read. */
function takeSubstance(told) {
  const known = record.substances.find(({ name }) => name === told.name);
  if (!known || !told.most || (told.least >= known.least && told.most <= known.most)) return;
  Object.assign(known, { units: told.units, least: Math.min(known.least, told.least), most: Math.max(known.most, told.most) });
  const high = known.most || 1, low = Math.max(known.least, high / 10 ** DECADES);
  Object.assign(known, { high, low: low > high / 2 ? high / 10 : low, clipped: known.least < low });
  shared.postMessage({ substance: told });
  if (slice && slice.on) slice.changed();
}

let soon = 0;

/** Show a wider scale, together with whatever else widens it by then. */
function recolorSoon() {
  if (state.now.length) soon ||= setTimeout(() => { soon = 0; recolor(); }, PAUSE);
}

// Viewers of one run, before and after beside each other, share one scale, whatever each of them has read.
shared.addEventListener("message", ({ data }) => {
  const { paint: name, substance, who } = data;
  if (who) record.paints.filter(({ names, max }) => !names && Number.isFinite(max)).forEach(tellScale);
  if (who) record.substances.filter(({ most }) => most > 0).forEach((one) => shared.postMessage({ substance: { ...one } }));
  if (name) widen(record.paints[paintOf(name, data.kind !== "gene" && { kind: data.kind, label: data.label, tells: false })], data);
  if (substance) takeSubstance(substance);
});
const tellScale = ({ name, ...rest }) => shared.postMessage({ paint: name, ...rest });
shared.postMessage({ who: "knows a scale?" });

/** What is to be said of a scale that more times may widen. */
function noteOf(paint) {
  if (isCompact) return "";
  const all = record.futures.flatMap((future) => future.frames).filter(Boolean), number = record.paints.indexOf(paint);
  const read = all.filter((part) => summaries.has(`${keyOf(part)} ${number}`)).length;
  if (read < all.length) return say("scale.part", { i: read, n: all.length });
  return record.going ? say("scale.going") : "";
}

const summaries = new Map(); // key of a frame and number of a paint → what its curves have at that time

/** What curves have of a frame: cells of each category, or the mean of each cell type; the living count. */
function summary(frame, number) {
  const key = `${frame.key} ${number}`;
  if (summaries.has(key)) return summaries.get(key);
  const paint = record.paints[number], { group, legend } = paint.names ? paint : typesOf();
  const codes = codesOf(frame, number), kinds = paint.names ? codes : codesOf(frame, record.types);
  const sums = legend.map(() => 0), counts = legend.map(() => 0);
  for (let i = 0; i < frame.n; i++) {
    if (kinds[i] === NONE || codes[i] === NONE || !(frame.alive[i] || paint.bodies)) continue;
    counts[group[kinds[i]]]++;
    sums[group[kinds[i]]] += codes[i];
  }
  const [low, high] = frame.ranges[number] || [0, 1];
  const mean = (sum, g) => (counts[g] ? low + (sum / counts[g] / STEPS) * (high - low) : null);
  summaries.set(key, paint.names ? counts : sums.map(mean));
  recolorSoon();
  return summaries.get(key);
}

/** A line over time for each category, or for each cell type: [[h, value or null], …] of the times that were read. */
function curvesOf({ frames: parts }, number) {
  const { legend } = record.paints[number].names ? record.paints[number] : typesOf();
  const told = parts.map((part) => part && summaries.get(`${keyOf(part)} ${number}`));
  const points = (g) => told.flatMap((values, t) => (values ? [[record.hours[t], values[g] ?? null]] : []));
  return legend.map((_, g) => points(g));
}
