// The way of the cell through the atlas: a UMAP of cells of its tissue, and where it goes among them.
import { clear, make } from "../lib/dom.js";
import { hours as hoursOf, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { typeColour } from "./colours.js";

const HEIGHT = 300; // px
const MARGIN = 16; // px
const NAMED = 14; // types with a name on the map and in the legend

export class Path {
  constructor(parent) {
    this.panel = make(parent, "section", { class: "panel", id: "path", "aria-labelledby": "path-title" });
    make(this.panel, "h2", { id: "path-title" }, t("cell.path"));
    this.holder = make(this.panel, "div", { class: "atlas" });
    this.far = make(this.holder, "canvas", { "aria-hidden": "true" });
    this.near = make(this.holder, "canvas", { id: "atlas", role: "img", "aria-label": t("cell.path") });
    this.told = make(this.panel, "p", { class: "hint", id: "path-told" });
    this.legend = make(this.panel, "div", { class: "row types" });
    this.note = make(this.panel, "p", { class: "hint" });
    Object.assign(this, { atlas: null, frames: [], k: 0, chosen: -1 });
    this.watcher = new ResizeObserver(() => this.lay());
    this.watcher.observe(this.holder);
    this.onTheme = () => this.use(this.atlas);
    document.addEventListener("theme", this.onTheme);
  }

  /** Take an atlas: {x, y, type, types, note}. */
  use(atlas) {
    this.atlas = atlas;
    this.chosen = -1;
    clear(this.legend);
    this.note.textContent = atlas?.note ?? "";
    if (!atlas) return;
    const order = this.typesBySize().slice(0, NAMED);
    for (const type of order) {
      const chip = make(this.legend, "button", {
        type: "button", class: "chip", "aria-pressed": "false", click: () => {
          this.chosen = this.chosen === type ? -1 : type;
          [...this.legend.children].forEach((other, i) => other.setAttribute("aria-pressed", String(order[i] === this.chosen)));
          this.drawFar();
        },
      });
      make(chip, "i", { style: { background: typeColour(type, isDark()) }, "aria-hidden": "true" });
      make(chip, "span", {}, atlas.types[type]);
    }
    this.lay();
  }

  typesBySize() {
    const sizes = new Array(this.atlas.types.length).fill(0);
    for (const type of this.atlas.type) sizes[type] += 1;
    return [...sizes.keys()].filter((type) => sizes[type]).sort((a, b) => sizes[b] - sizes[a]);
  }

  /** Begin with one cell before anything happens: its place, or null. */
  begin(place) {
    this.frames = place ? [{ hour: 0, path: place, twin: null, swarm: [] }] : [];
    this.k = 0;
    this.drawNear();
  }

  /** The frames of a simulation, which grow. */
  follow(frames) {
    this.frames = frames;
  }

  turn(k) {
    this.k = k;
    this.drawNear();
  }

  lay() {
    this.wide = this.holder.clientWidth;
    if (!this.atlas || !this.wide) return;
    this.dense = Math.max(1, window.devicePixelRatio);
    for (const canvas of [this.far, this.near]) {
      canvas.width = Math.round(this.wide * this.dense);
      canvas.height = Math.round(HEIGHT * this.dense);
    }
    const [low, high] = [0, 1].map((side) => ["x", "y"].map((axis) => this.atlas[axis].reduce((a, b) => (side ? Math.max(a, b) : Math.min(a, b)))));
    const scale = Math.min((this.wide - 2 * MARGIN) / (high[0] - low[0]), (HEIGHT - 2 * MARGIN) / (high[1] - low[1]));
    this.place = ([x, y]) => [this.wide / 2 + (x - (low[0] + high[0]) / 2) * scale, HEIGHT / 2 - (y - (low[1] + high[1]) / 2) * scale];
    this.drawFar();
    this.drawNear();
  }

  open(canvas) {
    const context = canvas.getContext("2d", { willReadFrequently: true }); // by the processor: a few thousand dots
    context.setTransform(this.dense, 0, 0, this.dense, 0, 0);
    context.clearRect(0, 0, this.wide, HEIGHT);
    return context;
  }

  /** The cells of the atlas, faint, with the names of their types. */
  drawFar() {
    if (!this.place) return;
    const { atlas, chosen } = this, context = this.open(this.far), dark = isDark();
    for (let i = 0; i < atlas.x.length; i++) {
      const [x, y] = this.place([atlas.x[i], atlas.y[i]]);
      context.globalAlpha = chosen < 0 ? 0.34 : atlas.type[i] === chosen ? 0.85 : 0.09;
      context.fillStyle = typeColour(atlas.type[i], dark);
      context.beginPath();
      context.arc(x, y, 1.7, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    this.nameTypes(context);
  }

  nameTypes(context) {
    const taken = [], ink = getComputedStyle(document.documentElement);
    context.font = "600 11px system-ui, -apple-system, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 3.5;
    context.lineJoin = "round";
    for (const type of this.typesBySize().slice(0, NAMED)) {
      const own = [...this.atlas.type.keys()].filter((i) => this.atlas.type[i] === type);
      const middle = (axis) => own.map((i) => this.atlas[axis][i]).sort((a, b) => a - b)[own.length >> 1];
      const name = this.atlas.types[type], half = context.measureText(name).width / 2;
      const [x, y] = this.place([middle("x"), middle("y")]), at = Math.min(this.wide - half - 2, Math.max(half + 2, x));
      if (taken.some(([left, top, right]) => at - half < right && left < at + half && Math.abs(top - y) < 13)) continue;
      taken.push([at - half, y, at + half]);
      context.strokeStyle = ink.getPropertyValue("--ground");
      context.strokeText(name, at, y);
      context.fillStyle = ink.getPropertyValue("--ink");
      context.fillText(name, at, y);
    }
  }

  /** The replicates of this hour, and the way of the one cell so far. */
  drawNear() {
    if (!this.place) return;
    const context = this.open(this.near), frame = this.frames[this.k];
    const ink = getComputedStyle(document.documentElement), hot = ink.getPropertyValue("--late"), ground = ink.getPropertyValue("--ground");
    const dot = (place, radius, colour, rim) => {
      context.beginPath();
      context.arc(...this.place(place), radius, 0, 2 * Math.PI);
      context.fillStyle = colour;
      context.fill();
      if (!rim) return;
      context.lineWidth = 1.6;
      context.strokeStyle = rim;
      context.stroke();
    };
    context.globalAlpha = 0.55;
    for (const place of frame?.swarm ?? []) dot(place, 2.1, hot);
    context.globalAlpha = 1;
    const way = this.frames.slice(0, this.k + 1).filter(({ path }) => path);
    context.beginPath();
    way.forEach(({ path }, i) => context[i ? "lineTo" : "moveTo"](...this.place(path)));
    context.lineJoin = "round";
    for (const [width, colour] of [[4, ground], [2, hot]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
    for (const { path } of way.slice(1, -1)) dot(path, 1.6, hot);
    if (frame?.twin && this.k) dot(frame.twin, 4, ground, ink.getPropertyValue("--ink"));
    if (way.length > 1) dot(way[0].path, 4, ground, hot);
    if (way.length) dot(way.at(-1).path, 5.5, hot, ground);
    this.tell(frame, way);
  }

  tell(frame, way) {
    const words = ([x, y]) => `(${words3(x)}, ${words3(y)})`;
    const far = way.length > 1 ? Math.hypot(...[0, 1].map((i) => way.at(-1).path[i] - way[0].path[i])) : 0;
    const text = way.length
      ? t(far ? "cell.path-told" : "cell.path-start", { hour: hoursOf(frame?.hour ?? 0), from: words(way[0].path), to: words(way.at(-1).path), far: words3(far) })
      : t("cell.path-none");
    this.told.textContent = text;
    this.near.setAttribute("aria-label", `${t("cell.path")}: ${text}`);
  }

  takeDown() {
    this.watcher.disconnect();
    document.removeEventListener("theme", this.onTheme);
  }
}

const isDark = () => document.documentElement.dataset.theme === "dark";
