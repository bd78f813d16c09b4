// The living picture: a cell whose every gene is a point of light; pointed at, it tells the gene.
import { make } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { Painter } from "./painter.js";
import { drawFrame, drawMarks, outlinesOf } from "./overlay.js";

const RIM = 14; // px of membrane around the map
const LARGEST = 620; // px
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * A picture in `parent`. readout(gene) tells in words what stands there; onPick(gene) is called for a click or Enter.
 */
export class Picture {
  constructor(parent, { id, readout, onPick }) {
    this.holder = make(parent, "div", { class: "cell-holder" });
    this.disc = make(this.holder, "div", { class: "cell-disc" });
    this.canvas = make(this.disc, "canvas", { id, class: "cell-canvas", role: "img", tabindex: "0" });
    this.note = make(this.disc, "p", { class: "cell-note", hidden: true });
    this.line = make(parent, "p", { class: "readout", id: `${id}-readout` });
    this.canvas.setAttribute("aria-describedby", this.line.id);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true }); // drawn by the processor: pixels come from there
    this.frame = new OffscreenCanvas(1, 1); // outlines and names: drawn once, laid over every picture
    Object.assign(this, { readout, onPick, map: null, light: null, marked: [], pulses: [], pulse: 0, hovered: -1, program: -1 });
    this.watcher = new ResizeObserver(() => this.lay());
    this.watcher.observe(this.holder);
    this.listen();
    this.tell();
  }

  /** Take a map; what is painted next stands on it. */
  use(map) {
    if (this.map === map) return;
    Object.assign(this, { map, light: null, marked: [], pulses: [], hovered: -1, program: -1, pitch: 0 });
    this.lay();
    this.tell();
  }

  /** Choose the largest whole number of device pixels a gene that has room. */
  lay() {
    if (!this.map || !this.holder.clientWidth) return;
    const dense = Math.max(1, window.devicePixelRatio);
    const room = Math.min(LARGEST, this.holder.clientWidth) - 2 * RIM;
    const pitch = Math.max(1, Math.floor((room * dense) / this.map.side));
    if (pitch === this.pitch && dense === this.dense) return;
    Object.assign(this, { pitch, dense });
    this.painter = new Painter(this.map, pitch);
    this.outlines = outlinesOf(this.map, pitch);
    const size = this.painter.size;
    for (const canvas of [this.canvas, this.frame]) [canvas.width, canvas.height] = [size, size];
    this.canvas.style.width = this.canvas.style.height = `${size / dense}px`;
    this.disc.style.width = this.disc.style.height = `${size / dense + 2 * RIM}px`;
    drawFrame(this.frame.getContext("2d", { willReadFrequently: true }), this);
    this.redraw();
  }

  /** Show the light of all genes. */
  paint(light) {
    this.light = light;
    this.redraw();
  }

  redraw() {
    if (!this.painter || !this.light) return;
    this.painter.paint(this.context, this.light);
    this.context.drawImage(this.frame, 0, 0);
    drawMarks(this.context, this);
  }

  /** Outline a program; −1: none. */
  outline(program) {
    this.program = program;
    this.redraw();
  }

  /** Ring some genes, each with its name. */
  mark(genes) {
    this.marked = genes.filter((gene) => gene >= 0);
    this.redraw();
  }

  /** Rings that spread from genes in the next picture that is painted; share: how far, 0 … 1. */
  beat(genes, share) {
    Object.assign(this, { pulses: genes, pulse: share });
  }

  /** Say in the picture what it waits for; nothing: "". */
  say(text, isBusy = false) {
    this.note.textContent = text;
    this.note.hidden = !text;
    this.disc.classList.toggle("busy", isBusy);
  }

  listen() {
    const at = (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const place = (far, near) => Math.floor(((far - near) / frame.width) * this.map.side);
      return this.map ? this.map.gene(place(event.clientX, frame.left), place(event.clientY, frame.top)) : -1;
    };
    this.canvas.addEventListener("pointermove", (event) => this.point(at(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(-1));
    this.canvas.addEventListener("click", (event) => this.pick(at(event)));
    this.canvas.addEventListener("blur", () => this.point(-1));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const arrow = ARROWS[event.key];
    if (!this.map || event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow) {
      const step = event.shiftKey ? 8 : 1;
      let gene = this.hovered >= 0 ? this.hovered : this.marked[0] ?? this.map.gene(this.map.side >> 1, this.map.side >> 1);
      for (let i = 0; i < step && gene >= 0; i++) gene = this.map.neighbour(gene, ...arrow);
      this.line.setAttribute("aria-live", "polite"); // moved by keys, it is read aloud; by the mouse, it is not
      this.point(gene);
    } else if (event.key === "Enter") this.pick(this.hovered);
    else return;
    event.preventDefault();
  }

  point(gene) {
    if (gene === this.hovered) return;
    this.hovered = gene;
    this.program = gene >= 0 ? this.map.program[gene] : -1;
    if (gene < 0) this.line.removeAttribute("aria-live");
    this.tell();
    this.redraw();
  }

  pick(gene) {
    if (gene >= 0) this.onPick(gene);
  }

  /** Write what the pointer is at; called again when the numbers change. */
  tell() {
    const gene = this.hovered >= 0 ? this.hovered : (this.marked[0] ?? -1);
    this.line.textContent = gene >= 0 ? this.readout(gene) : t("cell.point");
  }

  takeDown() {
    this.watcher.disconnect();
  }
}
