// Codes and what they stand for; where the pieces come from that hold them is the next script's affair.

const NONE = 65535; // the code of a missing number
const STEPS = 65534; // of a range

const element = (id) => document.getElementById(id);

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Inflate bytes. */
async function unpack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Columns of n codes: each is its high bytes, then its low bytes. */
function columnsOf(bytes, n) {
  const columns = [];
  for (let start = 0; start < bytes.length; start += 2 * n) {
    const column = new Uint16Array(n);
    for (let i = 0; i < n; i++) column[i] = (bytes[start + i] << 8) | bytes[start + n + i];
    columns.push(column);
  }
  return columns;
}

/** Places and radii of cells, four codes a cell. */
function placesOf(n, [x, y, z, radius]) {
  const place = new Uint16Array(4 * n);
  for (let i = 0; i < n; i++) {
    place[4 * i] = x[i], place[4 * i + 1] = y[i], place[4 * i + 2] = z[i], place[4 * i + 3] = radius[i];
  }
  return place;
}

/** Where in a frame a cell is, by what names it there; -1 where it is not. */
function indexOf(frame, who) {
  let low = 0, high = frame.n - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (frame.who[middle] === who) return middle;
    if (frame.who[middle] < who) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

const blanks = new Map(); // how many → so many codes of nothing

/** The codes of a paint in a frame; those of nothing where the frame has none. */
function codesOf(frame, number) {
  if (frame.paints[number]) return frame.paints[number];
  if (!blanks.has(frame.n)) blanks.set(frame.n, new Uint16Array(frame.n).fill(NONE));
  return blanks.get(frame.n);
}

/** The number that a cell of a frame has in a paint; NaN where there is none. */
function numberIn(frame, number, i) {
  const code = codesOf(frame, number)[i];
  if (code === NONE) return NaN;
  const [low, high] = frame.ranges[number];
  return low + (code / STEPS) * (high - low);
}

/** A number as people read it: four digits, and no more than it has. */
function words(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return value.toExponential(2).replace("e+", "e").replace("-", "−");
  const digits = size >= 1000 ? 0 : 3 - Math.floor(Math.log10(size));
  const rounded = Number(value.toFixed(Math.min(digits, 6)));
  return rounded.toLocaleString("en-US", { maximumFractionDigits: 6 }).replace("-", "−");
}
const count = (n) => n.toLocaleString("en-US");
const hoursOf = (time) => say("hours", { n: words(time) });
