// What is done to the cell, a row each: a cytokine or a drug with its dose, a gene that is knocked out.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { count } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { combobox, sieve } from "./combobox.js";
import { mark } from "./support.js";

const FOUND = 20; // genes of one search
const KINDS = ["cytokine", "drug", "knockout", "activation"];

/** The rows. `rows` is changed in place; onChange() follows each change. */
export class Rows {
  constructor(parent, { catalogue, question, onChange }) {
    Object.assign(this, { catalogue, question, onChange, made: [], serial: 0 });
    this.box = make(parent, "fieldset", { class: "field rows" });
    make(this.box, "legend", {}, t("cell.done-to-it"));
    this.list = make(this.box, "div", { id: "rows", class: "rows-list" });
    this.adders = make(this.box, "div", { class: "row adders" });
    for (const kind of KINDS) {
      make(this.adders, "button", { type: "button", class: "chip", id: `add-${kind}`, click: () => this.add(kind) }, `+ ${t(`cell.${kind}`)}`);
    }
    this.fill();
  }

  /** What can be added of a kind: cytokines and drugs, and genes that were switched on in this very context. */
  substances(kind) {
    const context = this.context(), isSwitchedOn = (one) => one.kind === "gene" && one.modes[context] === "activation";
    return this.catalogue.perturbations.filter((one) => (kind === "activation" ? isSwitchedOn(one) : one.kind === kind));
  }

  /** The context as which the cells are read. */
  context() {
    return this.question.start.context ?? this.question.read ?? this.catalogue.default.context;
  }

  known(name) {
    return this.catalogue.perturbations.find((one) => one.name === name);
  }

  fill() {
    this.takeDown();
    clear(this.list);
    for (const row of this.question.rows) {
      if (row.kind === "substance") row.kind = { drug: "drug", gene: "activation" }[this.known(row.name)?.kind] ?? "cytokine";
      this.show(row);
    }
    this.limit();
  }

  add(kind) {
    const row = { kind, name: "", dose: "" };
    this.question.rows.push(row);
    this.show(row).focus();
    this.limit();
  }

  limit() {
    const isFull = this.question.rows.length >= this.catalogue.limits.choices;
    KINDS.forEach((kind, i) => {
      this.adders.children[i].disabled = isFull;
      this.adders.children[i].hidden = kind !== "knockout" && !this.substances(kind).length;
    });
  }

  show(row) {
    const id = `row-${this.serial++}`, isGene = row.kind === "knockout";
    const box = make(this.list, "div", { class: "change", dataset: { kind: row.kind }, role: "group", "aria-label": t(`cell.${row.kind}`) });
    const line = make(box, "div", { class: "change-line" });
    const who = combobox(line, {
      id, label: t(`cell.${row.kind}`), placeholder: t(isGene ? "cell.which-gene" : `cell.which-${row.kind}`),
      find: (text) => (isGene ? this.genes(text) : sieve(this.groups(row.kind), text)),
      onPick: (name) => this.pick(row, name, dose),
    });
    who.set(row.name);
    const dose = isGene || row.kind === "activation" ? null : this.dose(line, id, row);
    make(line, "button", {
      type: "button", class: "icon", "aria-label": t("cell.take-away", { what: row.name || t(`cell.${row.kind}`) }), title: t("cell.take-away", { what: row.name || t(`cell.${row.kind}`) }),
      click: () => this.remove(row, box, who),
    }, "×");
    const told = make(box, "p", { class: "hint change-told" });
    this.made.push({ row, box, who, told, dose });
    return who.input;
  }

  dose(line, id, row) {
    const field = make(line, "div", { class: "field dose" });
    make(field, "label", { for: `${id}-dose` }, t("cell.dose"));
    const input = make(field, "input", {
      id: `${id}-dose`, type: "text", class: "dose-box", autocomplete: "off", spellcheck: "false", value: row.dose, list: `${id}-doses`,
      input: () => {
        row.dose = input.value;
        this.onChange();
      },
    });
    const doses = make(field, "datalist", { id: `${id}-doses` });
    const one = { field, input, doses };
    this.suit(row, one);
    return one;
  }

  /** Offer the doses of a substance; one that was measured without any takes none. */
  suit(row, { field, input, doses }) {
    const known = this.known(row.name);
    field.hidden = Boolean(known) && !known.dosed;
    input.placeholder = known ? known.units.join(", ") : t("cell.dose-hint");
    input.title = known?.units.length ? t("cell.units", { units: known.units.join(", ") }) : "";
    clear(doses);
    for (const dose of known?.doses ?? []) make(doses, "option", { value: dose });
  }

  pick(row, name, dose) {
    row.name = name;
    if (dose) {
      const known = this.known(name);
      row.dose = known?.dosed ? (known.reference ?? "") : "";
      dose.input.value = row.dose;
      this.suit(row, dose);
    }
    this.onChange();
  }

  remove(row, box, who) {
    who.takeDown();
    box.remove();
    this.made = this.made.filter((one) => one.row !== row);
    this.question.rows.splice(this.question.rows.indexOf(row), 1);
    this.limit();
    this.adders.querySelector("button").focus();
    this.onChange();
  }

  /** Substances: those that were measured in this very context first. */
  groups(kind) {
    const context = this.context(), here = [], elsewhere = [];
    for (const one of this.substances(kind)) {
      const note = [one.dosed ? one.reference : "", one.times.length ? `${one.times.join(", ")} h` : ""].filter(Boolean).join(" · ");
      (context in one.measured ? here : elsewhere).push({ value: one.name, text: one.name, note });
    }
    const titled = [{ title: t("cell.measured-here", { context }), items: here }, { title: t("cell.measured-elsewhere"), items: elsewhere }];
    return titled.filter(({ items }) => items.length);
  }

  async genes(text) {
    const search = new URLSearchParams({ context: this.context(), q: text, most: FOUND });
    const { genes, total } = await ask(`/api/cell/genes?${search}`);
    const ways = { "measured here": [], "measured elsewhere": [], clamp: [] };
    for (const { name, knockout } of genes) ways[knockout].push({ value: name, text: name });
    const titles = { "measured here": "cell.ko-here", "measured elsewhere": "cell.ko-elsewhere", clamp: "cell.ko-clamp" };
    const groups = Object.entries(ways).filter(([, items]) => items.length).map(([way, items]) => ({ title: t(titles[way]), items }));
    if (total > genes.length && groups.length) groups[0].title += ` (${t("cell.of", { n: count(genes.length), total: count(total) })})`;
    return groups;
  }

  /** Mark each row with its own support, as the server told it. */
  tell(answer) {
    for (const { row, told } of this.made) {
      clear(told);
      const choice = answer?.choices.find(({ name, kind }) => name === row.name && (kind === "knock-out") === (row.kind === "knockout"));
      if (!row.name || !choice) continue;
      mark(told, choice.level);
      if (choice.sentence !== answer.sentence) make(told, "span", {}, choice.sentence);
    }
  }

  takeDown() {
    for (const { who } of this.made) who.takeDown();
    this.made = [];
  }
}
