// Pieces that a server sends: one kept time each. They grow in number while the run goes on, and never change.

Object.assign(ENGLISH, {
  "waiting": "No cells are kept yet: the tissue appears here with the first that are.", "lost": "the connection is lost; trying again",
  "going": "running", "find": "Any gene", "find.about": "Colour by any of {n} genes", "find.none": "no gene of this run is called so",
  "find.found": "{n} found; arrow keys choose", "open": "Open in the cell view",
  "scale.part": "scale of {i} of {n} times so far; it widens as more are read",
  "scale.going": "scale of the times so far; it widens as the run goes on",
});
Object.assign(CHINESE, {
  "waiting": "尚未保存任何细胞：首批细胞保存后，组织会显示在这里。", "lost": "连接已断开，正在重试",
  "going": "运行中", "find": "任意基因", "find.about": "按 {n} 个基因中的任意一个着色", "find.none": "此次运行中没有该基因",
  "find.found": "找到 {n} 个；用方向键选择", "open": "在细胞视图中打开",
  "scale.part": "色标目前基于 {i} / {n} 个时刻，读取更多时刻时会扩展",
  "scale.going": "色标基于目前的所有时刻，运行继续时会扩展",
});

const address = new URLSearchParams(location.search);
const isCompact = address.get("compact") === "1"; // the picture and its caption alone
const home = `/api/runs/${encodeURIComponent(address.get("run") || "")}`;
const MOST_BYTES = 600e6; // of frames; our choice: 100,000 cells at some hundred and fifty times
const RETRY = 1000; // ms; our choice

document.body.classList.add("live");
document.body.classList.toggle("compact", isCompact);
document.body.classList.toggle("framed", window.parent !== window);
document.body.dataset.state = "loading";
if (address.get("theme")) document.documentElement.dataset.theme = address.get("theme");
speak(address.get("language"));

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ask the server until it answers; what it refuses is an error with its sentence. */
async function ask(path, options) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch { // nobody is there: the server, or the way to it, may come back
      element("loading").textContent = say("lost");
      await wait(RETRY);
      continue;
    }
    if (element("loading").textContent === say("lost")) element("loading").textContent = "";
    if (answer.ok || answer.status === 304) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error || `${answer.status} ${answer.statusText}`);
  }
}

let chosen = (address.get("futures") || "").split(",").filter(Boolean); // ids of futures; none: as many as there is room for
let tag = null; // of the scene that is known

/** What there is to see now; null where that is what is known. */
async function newScene() {
  const query = new URLSearchParams();
  for (const key of ["compartment", "replicate"]) if (address.get(key)) query.set(key, address.get(key));
  if (chosen.length) query.set("futures", chosen.join(","));
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await ask(`${home}/scene?${query}`, { headers, cache: "no-store" });
  if (answer.status === 304) return null;
  tag = answer.headers.get("ETag");
  return answer.json();
}

/** Wait for the first cells, saying so. */
async function firstScene() {
  for (;;) {
    const found = await newScene();
    if (found && found.hours.length) return found;
    Object.assign(element("message"), { hidden: false, textContent: say("waiting") });
    await wait(RETRY);
  }
}

const record = await firstScene().catch((error) => {
  Object.assign(element("message"), { hidden: false, textContent: error.message });
  document.body.dataset.state = "failed";
  announce("fault", error.message);
  return new Promise(() => {}); // there is nothing to go on with
});
element("message").hidden = true;

const at = (hour) => { // the nearest time
  const away = record.hours.map((one) => Math.abs(one - hour));
  return away.indexOf(Math.min(...away));
};
const isAsked = address.get("hour") !== null && address.get("hour") !== "newest";
Object.assign(record, { radius: 0, bodies: false, follows: !isAsked });
record.start = isAsked ? at(Number(address.get("hour"))) : newest();
record.paints.forEach((paint) => Object.assign(paint, unknownRange()));
record.substances = record.substances.map((name) => ({ name, units: "nM", least: Infinity, most: 0 }));
const firstColor = address.get("color") || record.shown;
record.first = firstColor === "cell_type" ? record.types : paintOf(firstColor);

const idOf = (who) => who; // frames hold the ids themselves
const readIds = async () => {};

/** A piece: its header, and its columns of codes. */
async function piece(kind, part, query = "") {
  const place = [part.id, record.compartment, part.tick].map(encodeURIComponent).join("/");
  const answer = await ask(`${home}/${kind}/${place}?v=${part.v}${query}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const long = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + long)));
  return { header, columns: columnsOf(await unpack(bytes.subarray(4 + long)), header.n) };
}

const keyOf = (part) => `${part.id} ${part.tick} ${part.v}`;
const frames = new Map(); // key → promise of a frame; the one that was wanted longest ago first
const sizes = new Map(); // key → bytes of a frame that is there, roughly
let held = 0; // bytes of them all

/** The cells of a kept time: places (codes), ids, whether alive, the codes of paints, and what these stand for. */
function frameOf(part) {
  const key = keyOf(part), known = frames.get(key);
  frames.delete(key);
  const coming = known || readFrame(part, key);
  frames.set(key, coming);
  if (!known) coming.catch(() => frames.delete(key)); // it may be asked for again
  return coming;
}

async function readFrame(part, key) {
  const { header, columns } = await piece("frames", part), { n } = header;
  const [x, y, z, radius, a, b, c, d, alive, ...codes] = columns.length ? columns : Array(9).fill(new Uint16Array(0));
  const ids = new Uint16Array(4 * n); // four parts of an id, the lowest first, as machines hold it
  for (let i = 0; i < n; i++) ids[4 * i] = a[i], ids[4 * i + 1] = b[i], ids[4 * i + 2] = c[i], ids[4 * i + 3] = d[i];
  const [low, high] = header.box;
  const frame = {
    n, key, place: placesOf(n, [x, y, z, radius]), who: new BigUint64Array(ids.buffer), alive, low,
    size: low.map((v, axis) => high[axis] - v), largest: header.radius, paints: [], ranges: [], coming: new Map(),
  };
  for (const about of header.columns) takeColumn(frame, about, about.alike ? null : codes.shift());
  hold(key, n * (18 + 2 * frame.paints.length));
  arrive(part, header);
  return frame;
}

/** Count so many more bytes for a frame, and let go of those that were wanted longest ago where it is too much. */
function hold(key, bytes) {
  sizes.set(key, (sizes.get(key) || 0) + bytes);
  held += bytes;
  for (const old of frames.keys()) {
    if (held < MOST_BYTES) break;
    if (old === key || !sizes.has(old) || state.now.some((shown) => shown && shown.key === old)) continue;
    frames.delete(old);
    held -= sizes.get(old);
    sizes.delete(old);
  }
}

const hasRoom = (part) => !isCompact && (frames.has(keyOf(part)) || held + 50 * part.n < MOST_BYTES);

/** What a new frame means for the whole: a larger box, bodies, until when the assay reaches. */
function arrive(part, { box: ends, radius, dead, measured, n }) {
  record.bodies ||= dead > 0;
  record.radius = Math.max(record.radius, radius);
  const least = box[0].map((v, a) => (n ? Math.min(v, ends[0][a] - radius) : v));
  const most = box[1].map((v, a) => (n ? Math.max(v, ends[1][a] + radius) : v));
  setBox([least, most]);
  for (const future of record.futures) {
    const isIn = future.frames.some((one) => one && one.id === part.id && one.tick === part.tick);
    if (!isIn || part.tick < (future.until ?? -1)) continue;
    Object.assign(future, { until: part.tick, measured }); // what the latest cells know counts
    showTimes();
  }
}

/** A frame that has the codes of a paint, if there is such a column: a gene comes when it is asked for. */
async function colored(part, number) {
  const frame = await frameOf(part), paint = record.paints[number];
  if (!frame.paints[number] && paint.kind === "gene") await fetchPaint(part, frame, number, paint);
  summary(frame, number);
  return frame;
}

function fetchPaint(part, frame, number, paint) {
  if (!frame.coming.has(number)) {
    element("loading").textContent ||= say("loading.colour", { name: paint.name });
    const coming = piece("paints", part, `&name=${encodeURIComponent(paint.name)}`).then(({ header, columns }) => {
      takeColumn(frame, { ...header, kind: "gene" }, header.alike ? null : columns[0]);
      hold(frame.key, 2 * frame.n);
    });
    frame.coming.set(number, coming);
    coming.catch(() => frame.coming.delete(number)).finally(() => {
      if (element("loading").textContent === say("loading.colour", { name: paint.name })) element("loading").textContent = "";
    });
  }
  return frame.coming.get(number);
}

const volumes = new Map(); // key → promise of a volume
const MOST_VOLUMES = 64; // our choice

/** The concentrations of a future at a time: codes of a substance, and what makes shades of them; null without. */
async function volumeOf({ frames: parts }, t) {
  const part = parts[t];
  if (!part || !part.field) return null;
  const key = keyOf(part), known = volumes.get(key);
  volumes.delete(key);
  const coming = known || piece("volumes", part).then(({ header, columns }) => {
    header.substances.forEach(takeSubstance);
    const place = (number) => header.substances.findIndex(({ name }) => name === record.substances[number].name);
    const shade = (number) => { // codes are even steps of the logarithm, and so are shades
      const { low, high } = record.substances[number], { most } = header.substances[place(number)];
      const [first, span] = [Math.log10(low), Math.log10(high / low)], step = header.decades / 65533;
      const rise = (255 * step) / span, offset = (255 * (Math.log10(most || low) - header.decades - step - first)) / span;
      return [rise, offset];
    };
    return { grid: header.grid, codes: (number) => columns[place(number)], shade };
  });
  volumes.set(key, coming);
  if (!known) coming.catch(() => volumes.delete(key));
  if (volumes.size > MOST_VOLUMES) volumes.delete(volumes.keys().next().value);
  return coming;
}
