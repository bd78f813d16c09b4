// The left panel: the cell as it is before anything is done to it.
import { clear, make } from "../lib/dom.js";
import { count, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { combobox } from "./combobox.js";
import { dense } from "./map.js";
import { lightOfCounts } from "./painter.js";
import { Picture } from "./picture.js";
import { barTable } from "./tables.js";
import { countLegend, programLegend } from "./legend.js";

const TOP = 8; // genes of the table
const FOUND = 12; // of one search
const BRIGHTEST = 0.9995; // share of the genes that are darker than the brightest colour; our choice

export class Before {
  /** onAnother() draws another cell; onGene(gene) marks one in both pictures. */
  constructor(parent, { onAnother, onGene }) {
    this.panel = make(parent, "section", { class: "panel", id: "before", "aria-labelledby": "before-title" });
    const head = make(this.panel, "div", { class: "row head" });
    make(head, "h2", { id: "before-title" }, t("cell.before"));
    this.another = make(head, "button", { type: "button", class: "chip", id: "another", click: onAnother, disabled: true }, `↻ ${t("cell.another")}`);
    this.picture = new Picture(this.panel, { id: "before-picture", readout: (gene) => this.readout(gene), onPick: onGene });
    const tools = make(this.panel, "div", { class: "row under" });
    this.search = combobox(tools, {
      id: "gene-search", label: t("cell.find-gene"), placeholder: t("cell.find-gene"), hasLabel: false,
      find: (text) => this.find(text), onPick: (gene) => onGene(gene),
    });
    this.legend = make(tools, "div", { class: "legend" });
    this.facts = make(this.panel, "dl", { class: "facts", id: "before-facts" });
    this.origin = make(this.panel, "p", { class: "hint", id: "origin", hidden: true });
    this.top = make(this.panel, "div", { class: "lists" });
    Object.assign(this, { onGene, map: null, told: null, counts: null, most: 50 });
  }

  use(map) {
    this.map = map;
    this.picture.use(map);
    this.darken();
  }

  /** No cell is known: the territories alone. */
  darken() {
    this.counts = null;
    if (this.map) this.picture.paint(lightOfCounts(this.map, new Float32Array(this.map.n), this.most));
  }

  /** Show a cell, as the server told it. */
  show(told) {
    this.told = told;
    this.counts = dense(told.counts, this.map.n);
    const sorted = Float32Array.from(this.counts).sort();
    this.most = Math.max(8, sorted[Math.floor(BRIGHTEST * (this.map.n - 1))]);
    this.picture.say("");
    this.picture.paint(lightOfCounts(this.map, this.counts, this.most));
    const what = t("cell.picture", { type: told.type, library: count(told.library), detected: count(told.detected), top: told.top.slice(0, 5).map(([gene]) => gene).join(", ") });
    this.picture.canvas.setAttribute("aria-label", what);
    this.picture.tell();
    this.fill();
  }

  fill() {
    const { told } = this;
    clear(this.facts);
    const fact = (key, value, id) => {
      const one = make(this.facts, "div");
      make(one, "dt", {}, t(`cell.${key}`));
      make(one, "dd", { id }, value);
    };
    fact("type", told.type, "fact-type");
    fact(told.donor ? "donor" : "species", told.donor ?? told.species, "fact-donor");
    fact("library", count(told.library), "fact-library");
    fact("detected", `${count(told.detected)} / ${count(this.map.n)}`, "fact-detected");
    this.origin.hidden = !told.note && !told.source;
    this.origin.textContent = [told.source, told.note].filter(Boolean).join(" · ");
    clear(this.legend);
    countLegend(this.legend, this.most);
    clear(this.top);
    barTable(this.top, {
      id: "top-genes", caption: t("cell.top"), head: [t("cell.gene"), t("cell.counts"), t("cell.mean")],
      rows: told.top.slice(0, TOP).map(([name, counts, mean]) => ({ name, cells: [count(counts), words3(mean)], size: counts })),
      onPick: (name) => this.onGene(this.map.index.get(name)),
    });
    programLegend(this.top, this.map, this.counts, (program) => this.outline(program));
  }

  outline(program) {
    this.picture.outline(program);
  }

  find(text) {
    if (!this.map) return [];
    const genes = text ? this.map.find(text, FOUND) : (this.told?.top ?? []).map(([name]) => this.map.index.get(name));
    const item = (gene) => ({ value: gene, text: this.map.genes[gene], note: this.counts ? t("cell.n-counts", { n: count(this.counts[gene]) }) : "" });
    return [{ title: "", items: genes.map(item) }];
  }

  readout(gene) {
    const { map, counts } = this, program = map.programs[map.program[gene]].name;
    return counts ? t("cell.readout", { gene: map.genes[gene], n: count(counts[gene]), program }) : `${map.genes[gene]} · ${program}`;
  }

  takeDown() {
    this.picture.takeDown();
    this.search.takeDown();
  }
}
