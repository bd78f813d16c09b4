// Pieces of this very file: the record names them by number.

const record = JSON.parse(element("record").textContent);
const pieces = new Map(); // number → promise of bytes
const frames = new Map(); // number of the piece → promise of a frame
let idOf = null; // what names a cell in frames → its id

function piece(number) {
  if (!pieces.has(number)) {
    const holder = element(`piece-${number}`);
    pieces.set(number, unpack(bytesOf(holder.textContent)));
    holder.remove(); // its text is not needed twice
  }
  return pieces.get(number);
}

/**
 * The cells of a future at a time: place (codes), who, whether alive, a code for each paint, and what codes stand for.
 * Ids are numbers among all of them here.
 */
function frameOf({ blob, n }) {
  if (!frames.has(blob)) {
    frames.set(blob, piece(blob).then((bytes) => {
      const [x, y, z, radius, low, high, alive, ...paints] = n ? columnsOf(bytes, n) : [];
      const who = new Uint32Array(n), none = new Uint16Array(0);
      for (let i = 0, at = 0; i < n; i++) {
        at += low[i] + 65536 * high[i]; // ids are stored as steps, for they rise
        who[i] = at;
      }
      pieces.delete(blob); // the frame has all of it
      return {
        n, place: n ? placesOf(n, [x, y, z, radius]) : none, who, alive: alive || none, low: box[0], size: edge,
        largest: record.radius, paints: n ? paints : record.paints.map(() => none),
        ranges: record.paints.map(({ min, max }) => [min, max]),
      };
    }));
  }
  return frames.get(blob);
}

/** A frame that has the codes of a paint: here every one has those of all. */
const colored = (part) => frameOf(part);

/** What is to be said of the colour scale of a paint: it is that of all times. */
const noteOf = () => "";

/** Whether there is memory for more frames: they are all in the file, and it is open. */
const hasRoom = () => true;

async function readIds() {
  const [a, b, c, d] = columnsOf(await piece(record.ids.blob), record.ids.n);
  idOf = (i) => (BigInt(d[i]) << 48n) | (BigInt(c[i]) << 32n) | (BigInt(b[i]) << 16n) | BigInt(a[i]);
}

/** The concentrations of a future at a time: codes of a substance, and what makes shades of them; null without. */
async function volumeOf({ volumes, grid }, t) {
  if (!volumes || volumes[t] === null) return null;
  const levels = await piece(volumes[t]), n = levels.length / record.substances.length;
  return { grid, codes: (number) => levels.subarray(number * n, (number + 1) * n), shade: () => [1, 0] };
}

/** A line over time for each category, or for each cell type: [[h, value or null], …]. */
function curvesOf({ curves, times }, number) {
  return curves[number].map((values) => values.map((v, k) => [record.hours[times[k]], v]));
}
