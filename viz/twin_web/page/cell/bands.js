// Genes over the hours: mean and spread over the replicate cells, treated and untreated.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { hours as hoursOf, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { bandChart } from "./chart.js";
import { combobox } from "./combobox.js";

const SHOWN = 4; // charts that nobody chose
const MOST = 8;

export class Bands {
  /** find(text) offers genes of the map; onGene(gene) marks one in the pictures. */
  constructor(parent, { find, onPick }) {
    this.panel = make(parent, "section", { class: "panel", id: "bands", "aria-labelledby": "bands-title" });
    const head = make(this.panel, "div", { class: "row head" });
    make(head, "h2", { id: "bands-title" }, t("cell.bands"));
    const key = make(head, "span", { class: "arms" });
    for (const arm of ["treated", "untreated"]) {
      const one = make(key, "span", {});
      make(one, "i", { class: arm, "aria-hidden": "true" });
      make(one, "span", {}, t(`cell.${arm}`));
    }
    this.search = combobox(this.panel, { id: "band-search", label: t("cell.add-gene"), placeholder: t("cell.add-gene"), hasLabel: false, clears: true, find, onPick });
    this.charts = make(this.panel, "div", { class: "band-grid", id: "charts" });
    this.empty = make(this.panel, "p", { class: "hint" }, t("cell.bands-none"));
    make(this.panel, "p", { class: "hint" }, t("cell.bands-note"));
    this.reset(null);
  }

  reset(job) {
    Object.assign(this, { job, frames: [], fetched: new Map(), chosen: [], k: 0, last: 24 });
    clear(this.charts);
    this.empty.hidden = false;
  }

  follow(frames, last) {
    Object.assign(this, { frames, last });
  }

  /** Show a gene; one that is shown is taken away. */
  choose(gene) {
    this.chosen = this.chosen.includes(gene) ? this.chosen.filter((other) => other !== gene) : [gene, ...this.chosen].slice(0, MOST);
    this.turn(this.k);
  }

  /** The genes of the charts: those that were chosen, then those that moved most and are watched. */
  genes() {
    const frame = this.frames.at(-1), free = Math.max(0, SHOWN - this.chosen.length);
    const moved = frame.movers.map(([gene]) => gene).filter((gene) => gene in frame.bands && !this.chosen.includes(gene));
    return [...this.chosen, ...moved.slice(0, free)];
  }

  turn(k) {
    this.k = k;
    if (!this.frames.length) return;
    const genes = this.genes();
    this.empty.hidden = genes.length > 0;
    while (this.charts.children.length > genes.length) this.charts.lastChild.remove();
    genes.forEach((gene, i) => this.show(gene, this.charts.children[i] ?? make(this.charts, "figure", { class: "band-figure" })));
  }

  show(gene, figure) {
    const series = this.seriesOf(gene);
    if (figure.dataset.gene !== gene) {
      clear(figure);
      figure.dataset.gene = gene;
      const title = make(figure, "figcaption", {});
      make(title, "b", {}, gene);
      make(title, "span", { class: "hint" });
      if (this.chosen.includes(gene)) make(title, "button", { type: "button", class: "icon small", "aria-label": t("cell.take-away", { what: gene }), click: () => this.choose(gene) }, "×");
      make(figure, "div", { class: "drawing" });
    }
    if (!series.hours.length) return;
    const at = Math.min(this.k, series.hours.length - 1), [treated, untreated] = [series.treated[at], series.untreated[at]];
    const text = t("cell.band-told", { hour: hoursOf(series.hours[at]), treated: words3(treated[0]), low: words3(treated[1]), high: words3(treated[2]), untreated: words3(untreated[0]) });
    figure.querySelector("figcaption .hint").textContent = text;
    bandChart(figure.querySelector(".drawing"), { gene, ...series, last: this.last, now: this.frames[this.k]?.hour ?? 0, label: `${gene}: ${text}` });
  }

  /** From the frames where the gene is watched; else the server is asked once for each hour that came. */
  seriesOf(gene) {
    const { frames } = this;
    if (gene in frames.at(-1).bands) {
      const arm = (which) => frames.map(({ bands }) => bands[gene][which]);
      return { hours: frames.map(({ hour }) => hour), treated: arm(0), untreated: arm(1) };
    }
    const known = this.fetched.get(gene) ?? { hours: [], treated: [], untreated: [], asked: 0 };
    this.fetched.set(gene, known);
    if (known.asked < frames.length && !known.isAsking) this.fetch(gene, known);
    return known;
  }

  async fetch(gene, known) {
    const { job } = this, asked = this.frames.length;
    known.isAsking = true;
    try {
      const { hours, treated, untreated } = await ask(`/api/cell/result/${job}/gene?${new URLSearchParams({ name: gene })}`);
      if (job !== this.job) return;
      this.fetched.set(gene, { hours, treated, untreated, asked });
      this.turn(this.k);
    } catch (error) {
      if (job !== this.job) return;
      this.fetched.set(gene, { hours: [], treated: [], untreated: [], asked: Infinity });
      const told = this.charts.querySelector(`figure[data-gene="${CSS.escape(gene)}"] figcaption .hint`);
      if (told) told.textContent = error.message; // else it was taken away meanwhile
    }
  }

  takeDown() {
    this.search.takeDown();
    this.reset(null);
  }
}
