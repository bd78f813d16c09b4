// The right panel: the cell as it becomes, hour by hour, beside what it would be if nothing had been done.
import { clear, make } from "../lib/dom.js";
import { count, hours as hoursOf, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { changeLegend, countLegend } from "./legend.js";
import { between, lightOfChanges, lightOfCounts } from "./painter.js";
import { Picture } from "./picture.js";
import { barTable } from "./tables.js";

const MOVERS = 8; // genes of the table
const BEATS = 10; // genes that are ringed as they move
const BEAT = 0.25; // log2 fold change between two hours from which on a gene is ringed; our choice

export class After {
  /** onGene(gene) for a gene that is picked; onSeek(hour), onPlay() for the clock. */
  constructor(parent, { onGene, onSeek, onPlay }) {
    this.panel = make(parent, "section", { class: "panel", id: "after", "aria-labelledby": "after-title" });
    const head = make(this.panel, "div", { class: "row head" });
    make(head, "h2", { id: "after-title" }, t("cell.after"));
    this.stamp = make(head, "output", { class: "stamp number", id: "stamp" });
    this.ways(head);
    this.picture = new Picture(this.panel, { id: "after-picture", readout: (gene) => this.readout(gene), onPick: onGene });
    const clock = make(this.panel, "div", { class: "row under clock" });
    this.play = make(clock, "button", { type: "button", id: "play", class: "icon", disabled: true, click: onPlay });
    this.slider = make(clock, "input", { type: "range", id: "time", min: 0, max: 24, step: 1, value: 0, disabled: true, "aria-label": t("cell.time"), input: () => onSeek(Number(this.slider.value)) });
    this.legend = make(clock, "div", { class: "legend" });
    this.movers = make(this.panel, "div", { class: "movers", id: "movers-holder" });
    Object.assign(this, { onGene, map: null, frames: [], most: 50, mode: "counts", k: -1, position: 0 });
    this.showPlay(false);
    this.emptyMovers();
  }

  /** The switch between counts and changes. */
  ways(parent) {
    const box = make(parent, "div", { class: "switch", role: "group", "aria-label": t("cell.shown") });
    this.buttons = ["counts", "change"].map((mode) => make(box, "button", {
      type: "button", id: `show-${mode}`, "aria-pressed": String(mode === "counts"), title: t(`cell.show-${mode}-long`), click: () => this.choose(mode),
    }, t(`cell.show-${mode}`)));
  }

  choose(mode) {
    this.mode = mode;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.id === `show-${mode}`));
    for (const frame of this.frames) frame.light = null;
    this.showLegend();
    this.draw(this.position);
  }

  use(map) {
    this.map = map;
    this.picture.use(map);
  }

  /** Begin anew with the cell before: its counts, and the count that is brightest. */
  begin({ counts, most, note, isBusy = false }) {
    Object.assign(this, { frames: [], most, k: -1, position: 0, start: counts });
    this.picture.beat([], 0);
    this.buffer = new Uint8Array(this.map.n * 6);
    this.picture.paint(lightOfCounts(this.map, isBusy ? counts : new Float32Array(this.map.n), most));
    this.picture.canvas.setAttribute("aria-label", note || t("cell.asked"));
    this.picture.say(note, isBusy);
    this.stamp.textContent = "";
    this.slider.value = 0;
    this.slider.disabled = this.play.disabled = true;
    this.emptyMovers();
    this.showLegend();
    this.picture.tell();
  }

  /** frame: {hour, counts, change, movers, moved, …} with dense arrays. */
  add(frame, last) {
    this.frames.push(frame);
    frame.beats = this.beatsOf(this.frames.length - 1);
    this.slider.max = last;
    this.slider.disabled = this.play.disabled = false;
    this.slider.style.setProperty("--there", `${(100 * (this.frames.length - 1)) / last}%`);
    this.picture.say("");
  }

  /** Genes that changed most from the frame before. */
  beatsOf(k) {
    if (k === 0) return [];
    const [old, now] = [this.frames[k - 1].change, this.frames[k].change];
    const moved = [];
    for (let g = 0; g < now.length; g++) {
      const by = Math.abs(now[g] - old[g]);
      if (by >= BEAT) moved.push([by, g]);
    }
    return moved.sort((a, b) => b[0] - a[0]).slice(0, BEATS).map(([, g]) => g);
  }

  lightOf(k) {
    const frame = this.frames[k];
    frame.light ??= this.mode === "counts" ? lightOfCounts(this.map, frame.counts, this.most) : lightOfChanges(this.map, frame.change);
    return frame.light;
  }

  /** Draw a moment between two frames. */
  draw(position) {
    if (!this.frames.length) return;
    this.position = position;
    const k = Math.min(this.frames.length - 1, Math.floor(position)), share = position - k;
    const next = Math.min(this.frames.length - 1, k + 1);
    this.picture.beat(share > 0 ? this.frames[next].beats : [], share);
    this.picture.paint(share > 0 ? between(this.lightOf(k), this.lightOf(next), share, this.buffer) : this.lightOf(k));
    for (const far of [k - 2, k + 3]) if (this.frames[far]) this.frames[far].light = null; // 84 kB each: made again when needed
    const shown = Math.round(position);
    if (shown !== this.k) this.turn(shown);
  }

  /** Show the numbers of another hour. */
  turn(k) {
    this.k = k;
    const frame = this.frames[k];
    this.stamp.textContent = hoursOf(frame.hour);
    this.slider.value = k;
    this.slider.setAttribute("aria-valuetext", hoursOf(frame.hour));
    this.picture.tell();
    this.showMovers(frame);
  }

  /** Say in words what is seen, for who cannot see it. */
  describe() {
    const frame = this.frames[this.k];
    if (!frame) return;
    const top = frame.movers.slice(0, 5).map(([gene, , , , fold]) => `${gene} ${signed(fold)}`).join(", ");
    this.picture.canvas.setAttribute("aria-label", t("cell.picture-after", { hour: hoursOf(frame.hour), library: count(frame.library), moved: count(frame.moved), top: top || t("cell.nothing") }));
  }

  showPlay(isPlaying) {
    clear(this.play);
    const svg = make(this.play, "svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" });
    make(svg, "path", { d: isPlaying ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 1.8 14 8 4 14.2z", fill: "currentColor" });
    this.play.setAttribute("aria-label", t(isPlaying ? "cell.pause" : "cell.play"));
    this.play.title = t(isPlaying ? "cell.pause" : "cell.play");
  }

  showLegend() {
    clear(this.legend);
    if (this.mode === "counts") countLegend(this.legend, this.most);
    else changeLegend(this.legend);
  }

  emptyMovers() {
    clear(this.movers);
    make(this.movers, "p", { class: "hint" }, t("cell.no-movers"));
  }

  showMovers(frame) {
    const focused = this.movers.contains(document.activeElement) ? document.activeElement.textContent : null;
    clear(this.movers);
    if (!frame.movers.length) return void make(this.movers, "p", { class: "hint" }, t("cell.not-moved"));
    const table = barTable(this.movers, {
      id: "movers", caption: t("cell.movers", { moved: count(frame.moved) }), isSigned: true,
      head: [t("cell.gene"), t("cell.fold"), t("cell.interval"), t("cell.twin"), t("cell.now")],
      rows: frame.movers.slice(0, MOVERS).map(([name, , now, twin, fold, error]) => ({
        name, size: Math.abs(fold), sign: Math.sign(fold), title: t("cell.times", { gene: name, times: words3(2 ** Math.abs(fold)), way: t(fold > 0 ? "cell.more" : "cell.less") }),
        cells: [signed(fold), `${signed(fold - 1.96 * error)} … ${signed(fold + 1.96 * error)}`, words3(twin), words3(now)],
      })),
      onPick: (name) => this.onGene(this.map.index.get(name)),
    });
    if (focused) [...table.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }

  readout(gene) {
    const { map } = this, program = map.programs[map.program[gene]].name, frame = this.frames[this.k];
    if (!frame) return `${map.genes[gene]} · ${program}`;
    return t("cell.readout-after", {
      gene: map.genes[gene], was: count(this.start[gene]), n: count(frame.counts[gene]), fold: signed(frame.change[gene]), program,
    });
  }

  takeDown() {
    this.picture.takeDown();
  }
}

/** A log2 fold change with its sign. */
export function signed(x) {
  const size = Math.abs(x).toFixed(2);
  return Number(size) === 0 ? "0.00" : `${x > 0 ? "+" : "\u2212"}${size}`;
}
