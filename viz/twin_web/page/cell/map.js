// Where each gene stands: a fixed place on a round map, its program's territory around it.
import { language } from "../lib/words.js";
import { HUES } from "./colours.js";

/** The map of a panel, as the server tells it, with what is looked up often. */
export class GeneMap {
  constructor(told) {
    Object.assign(this, { genes: told.genes, x: told.x, y: told.y, program: told.program });
    this.panel = told.panel;
    this.side = told.side;
    this.n = told.genes.length;
    this.index = new Map(told.genes.map((name, i) => [name, i]));
    this.at = new Int32Array(told.side * told.side).fill(-1); // (row · side + column) → gene
    for (let i = 0; i < this.n; i++) this.at[told.y[i] * told.side + told.x[i]] = i;
    const hues = this.huesApart(told.programs.length);
    this.programs = told.programs.map((one, i) => ({ ...one, colour: hues[i], name: (language() === "zh" && one.zh) || one.name }));
  }

  /** A hue a program, so that those that touch are told apart: each takes what is farthest from its neighbours'. */
  huesApart(n) {
    const near = Array.from({ length: n }, () => new Set());
    for (let i = 0; i < this.n; i++) {
      for (const other of [this.gene(this.x[i] + 1, this.y[i]), this.gene(this.x[i], this.y[i] + 1)]) {
        if (other < 0 || this.program[other] === this.program[i]) continue;
        near[this.program[i]].add(this.program[other]);
        near[this.program[other]].add(this.program[i]);
      }
    }
    const taken = new Array(n).fill(-1), used = HUES.map(() => 0);
    const apart = (a, b) => Math.min((HUES[a] - HUES[b] + 360) % 360, (HUES[b] - HUES[a] + 360) % 360);
    for (const i of [...near.keys()].sort((a, b) => near[b].size - near[a].size)) {
      const around = [...near[i]].map((j) => taken[j]).filter((hue) => hue >= 0);
      const worth = HUES.map((_, hue) => Math.min(90, ...around.map((other) => apart(hue, other))) - 12 * used[hue]);
      taken[i] = worth.indexOf(Math.max(...worth));
      used[taken[i]] += 1;
    }
    return taken;
  }

  /** The gene at a place of the grid, or −1. */
  gene(column, row) {
    const inside = column >= 0 && row >= 0 && column < this.side && row < this.side;
    return inside ? this.at[row * this.side + column] : -1;
  }

  /** The next gene from one on in a direction, over places that are empty; itself at the edge. */
  neighbour(i, right, down) {
    let [column, row] = [this.x[i] + right, this.y[i] + down];
    while (column >= 0 && row >= 0 && column < this.side && row < this.side) {
      const found = this.gene(column, row);
      if (found >= 0) return found;
      column += right;
      row += down;
    }
    return i;
  }

  /** Genes whose name begins with a text, then those that hold it; at most so many. */
  find(text, most) {
    const wanted = text.trim().toUpperCase();
    if (!wanted) return [];
    const begin = [], hold = [];
    this.genes.forEach((name, i) => {
      const where = name.toUpperCase().indexOf(wanted);
      if (where === 0) begin.push(i);
      else if (where > 0) hold.push(i);
    });
    begin.sort((a, b) => this.genes[a].length - this.genes[b].length);
    return [...begin, ...hold].slice(0, most);
  }
}

/** Spread sparse counts over all genes. */
export function dense({ gene, count }, n) {
  const all = new Float32Array(n);
  for (let k = 0; k < gene.length; k++) all[gene[k]] = count[k];
  return all;
}

/** Log2 fold changes of all genes from the server's bytes: sixteenths. */
export function changes(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return Float32Array.from(new Int8Array(bytes.buffer), (step) => step / 16);
}
