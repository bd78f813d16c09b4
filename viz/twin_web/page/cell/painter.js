// From numbers to light: every gene is one round dot of a whole number of device pixels.
import { NIGHT, STEPS, FURTHEST, changeRamp, glowRamps } from "./colours.js";

const GLOW = glowRamps(), CHANGE = changeRamp();
const EDGE = 0.53, SOFT = 0.2; // radius of a dot and the width of its rim, in pitches; our choice
const HAZE = 0.8, SPREAD = 2; // of the light between dots: its strength, and its reach in places; our choice

/** Light of all genes: brightness is the logarithm of the count, the hue is the program's. */
export function lightOfCounts(map, counts, most) {
  const reach = (STEPS - 2) / Math.log1p(most);
  const rows = Int32Array.from(map.programs, ({ colour }) => colour * STEPS);
  return shone(map, GLOW, (g) => {
    const step = counts[g] > 0 ? Math.min(STEPS - 1, 1 + Math.floor(reach * Math.log1p(counts[g]))) : 0;
    return rows[map.program[g]] + step;
  }, (g) => rows[map.program[g]]);
}

/** Light of all genes: log2 fold changes, from less over none to more. */
export function lightOfChanges(map, change) {
  const reach = (STEPS - 1) / FURTHEST;
  return shone(map, CHANGE, (g) => STEPS - 1 + Math.max(1 - STEPS, Math.min(STEPS - 1, Math.round(reach * change[g]))), () => STEPS - 1);
}

/**
 * (gene, RGB of its dot and RGB of the ground around it). The ground is lit by the genes around, as a lens does it:
 * a haze far fainter than any dot, in which a territory that is busy is seen from afar.
 */
function shone(map, ramp, stepOf, darkOf) {
  const light = new Uint8Array(map.n * 6), side = map.side, haze = [0, 1, 2].map(() => new Float32Array(side * side));
  for (let g = 0; g < map.n; g++) {
    const from = 3 * stepOf(g), dark = 3 * darkOf(g), at = map.y[g] * side + map.x[g];
    for (let c = 0; c < 3; c++) {
      light[6 * g + c] = ramp[from + c];
      haze[c][at] = Math.max(0, ramp[from + c] - ramp[dark + c]);
    }
  }
  haze.forEach((plane, c) => {
    const soft = blurred(blurred(plane, side), side);
    for (let g = 0; g < map.n; g++) {
      const lift = HAZE * soft[map.y[g] * side + map.x[g]];
      light[6 * g + 3 + c] = Math.min(255, NIGHT[c] + lift); // a dot itself shows its own count alone
    }
  });
  return light;
}

/** The mean over a square of 2 · SPREAD + 1 places a side; a running sum along rows, then along columns. */
function blurred(plane, side) {
  const out = new Float32Array(plane.length), middle = new Float32Array(plane.length);
  for (const [source, target, step, next] of [[plane, middle, 1, side], [middle, out, side, 1]]) {
    for (let line = 0; line < side; line++) {
      let sum = 0;
      for (let i = -SPREAD; i < side; i++) {
        if (i + SPREAD < side) sum += source[line * next + (i + SPREAD) * step];
        if (i - SPREAD - 1 >= 0) sum -= source[line * next + (i - SPREAD - 1) * step];
        if (i >= 0) target[line * next + i * step] = sum / (2 * SPREAD + 1);
      }
    }
  }
  return out;
}

/** Light between two, `share` of the way. */
export function between(first, second, share, into) {
  const part = Math.round(256 * share);
  for (let i = 0; i < first.length; i++) into[i] = first[i] + (((second[i] - first[i]) * part) >> 8);
  return into;
}

/** Draws one map at one size. pitch: device pixels from gene to gene. */
export class Painter {
  constructor(map, pitch) {
    this.size = map.side * pitch;
    this.image = new ImageData(this.size, this.size);
    const dot = dotOf(pitch), each = pitch * pitch;
    this.pixel = new Int32Array(map.n * each); // where in the image
    this.gene = new Int32Array(map.n * each); // where in the light
    this.weight = new Int32Array(map.n * each); // of 256
    for (let g = 0, k = 0; g < map.n; g++) {
      for (let p = 0; p < each; p++, k++) {
        const row = map.y[g] * pitch + Math.floor(p / pitch), column = map.x[g] * pitch + (p % pitch);
        this.pixel[k] = 4 * (row * this.size + column);
        this.gene[k] = 6 * g;
        this.weight[k] = dot[p];
      }
    }
  }

  /** Put light on a canvas of `size` × `size` pixels. */
  paint(context, light) {
    const { pixel, gene, weight, image: { data } } = this;
    for (let k = 0; k < pixel.length; k++) {
      const at = pixel[k], g = gene[k], w = weight[k];
      data[at] = light[g + 3] + (((light[g] - light[g + 3]) * w) >> 8);
      data[at + 1] = light[g + 4] + (((light[g + 1] - light[g + 4]) * w) >> 8);
      data[at + 2] = light[g + 5] + (((light[g + 2] - light[g + 5]) * w) >> 8);
      data[at + 3] = 255;
    }
    context.putImageData(this.image, 0, 0);
  }
}

/** How much of each pixel of a tile is the dot, of 256. */
function dotOf(pitch) {
  const from = (i) => (i + 0.5) / pitch - 0.5;
  return Array.from({ length: pitch * pitch }, (_, p) => {
    const away = Math.hypot(from(p % pitch), from(Math.floor(p / pitch)));
    return Math.round(256 * Math.min(1, Math.max(0, (EDGE - away) / SOFT)));
  });
}
