// The pieces of this file: base64, deflate, byte planes. The record names them by number.
"use strict";

const record = JSON.parse(document.getElementById("record").textContent);
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

const pieces = new Map(); // number → promise of bytes

function piece(number) {
  if (!pieces.has(number)) {
    const holder = element(`piece-${number}`);
    const unzip = new DecompressionStream("deflate");
    const stream = new Blob([bytesOf(holder.textContent)]).stream().pipeThrough(unzip);
    holder.remove(); // its text is not needed twice
    pieces.set(number, new Response(stream).arrayBuffer().then((buffer) => new Uint8Array(buffer)));
  }
  return pieces.get(number);
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

const frames = new Map(); // number of the piece → promise of a frame

/** The cells of a future at a time: place and radius (4 codes a cell), who, whether alive, a code for each paint. */
function frameOf({ blob, n }) {
  if (!frames.has(blob)) {
    frames.set(blob, piece(blob).then((bytes) => {
      const [x, y, z, radius, low, high, alive, ...paints] = n ? columnsOf(bytes, n) : [];
      const place = new Uint16Array(4 * n), who = new Uint32Array(n);
      for (let i = 0, at = 0; i < n; i++) {
        place[4 * i] = x[i], place[4 * i + 1] = y[i], place[4 * i + 2] = z[i], place[4 * i + 3] = radius[i];
        at += low[i] + 65536 * high[i]; // ids are stored as steps, for they rise
        who[i] = at;
      }
      pieces.delete(blob); // the frame has all of it
      const none = new Uint16Array(0);
      return { n, place, who, alive: alive || none, paints: n ? paints : record.paints.map(() => none) };
    }));
  }
  return frames.get(blob);
}

/** Where in a frame a cell is, by its number among all ids; -1 where it is not. */
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

async function idsOf({ blob, n }) {
  const [a, b, c, d] = columnsOf(await piece(blob), n);
  return (i) => (BigInt(d[i]) << 48n) | (BigInt(c[i]) << 32n) | (BigInt(b[i]) << 16n) | BigInt(a[i]);
}

/** The number that a code of a paint stands for; NaN where there is none. */
const numberOf = (paint, code) => (code === NONE ? NaN : paint.min + (code / STEPS) * (paint.max - paint.min));

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
const hoursOf = (time) => `${words(time)} h`;
