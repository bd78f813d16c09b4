// The middle panel: which cell, what happens to it, for how long; what is known of that; and the button.
import { ask } from "../lib/ask.js";
import { make } from "../lib/dom.js";
import { count, percent } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";
import { bodyOf } from "./address.js";
import { combobox, sieve } from "./combobox.js";
import { presetsOf } from "./presets.js";
import { Rows } from "./rows.js";
import { Support } from "./support.js";

export class Choice {
  /**
   * question is changed in place; onChange() follows; onContext() follows another cell; onStart(), onStop() ask for what they say.
   */
  constructor(parent, { catalogue, question, onChange, onContext, onStart, onStop }) {
    Object.assign(this, { catalogue, question, onChange, onContext });
    this.panel = make(parent, "section", { class: "panel", id: "choice", "aria-labelledby": "choice-title" });
    make(this.panel, "h2", { id: "choice-title" }, t("cell.choice"));
    this.presets();
    this.who();
    this.rows = new Rows(this.panel, { catalogue, question, onChange: () => this.changed() });
    this.numbers();
    this.support = new Support(this.panel, (answer) => this.rows.tell(answer));
    const line = make(this.panel, "div", { class: "row go" });
    this.start = make(line, "button", { type: "button", id: "start", class: "button primary", click: onStart }, t("cell.start"));
    this.stop = make(line, "button", { type: "button", id: "stop", class: "button", click: onStop, disabled: true }, t("cell.stop"));
    this.bar = make(make(this.panel, "div", { class: "bar", id: "progress", "aria-hidden": "true" }), "i");
    this.status = make(this.panel, "p", { class: "hint", id: "status" });
    this.support.ask(bodyOf(question));
  }

  presets() {
    const found = presetsOf(this.catalogue);
    if (!found.length || this.question.start.source !== "model") return;
    const line = make(this.panel, "div", { class: "row presets", role: "group", "aria-label": t("cell.presets") });
    for (const { id, text, context, rows } of found) {
      make(line, "button", { type: "button", class: "chip", id: `preset-${id}`, title: t("cell.in", { context }), click: () => this.take(context, rows) }, text);
    }
  }

  take(context, rows) {
    this.question.rows.splice(0, Infinity, ...rows.map((row) => ({ ...row })));
    this.rows.fill();
    if (context !== this.question.start.context) {
      this.question.start.context = context;
      this.context.set(context);
      this.onContext();
    }
    this.changed();
  }

  /** Whose cell it is: one of the model's contexts, or where it comes from. */
  who() {
    const { start } = this.question;
    if (start.source !== "model") {
      const key = start.source === "run" ? "cell.from-run" : "cell.from-upload";
      const line = make(this.panel, "p", { class: "hint from", id: "from" });
      make(line, "span", {}, t(key, { run: start.run, time: start.time, cell: start.cell ?? "" }));
      line.append(" ");
      make(line, "a", { href: address("cell") }, t("cell.from-model"));
    }
    if (start.source === "run") return;
    if (start.source === "upload" && !start.cell) this.types(start);
    this.context = combobox(this.panel, {
      id: "context", label: t(start.source === "upload" ? "cell.read-as" : "cell.context"), placeholder: t("cell.own-type"),
      find: (text) => sieve(this.contexts(), text), onPick: (name) => this.pickContext(name),
    });
    this.context.set(start.context ?? "");
  }

  /** Which of the types of a file; without a choice it is the commonest. */
  async types(start) {
    const box = make(this.panel, "div", { class: "field" });
    make(box, "label", { for: "file-type" }, t("cell.file-type"));
    const select = make(box, "select", { id: "file-type", change: () => {
      start.type = select.value;
      this.onContext();
      this.changed();
    } });
    const { uploads } = await ask("/api/uploads").catch(() => ({ uploads: [] })); // what is wrong with it is told by the cells
    for (const [name, n] of Object.entries(uploads.find(({ id }) => id === start.id)?.types ?? {})) select.add(new Option(`${name} (${count(n)})`, name, false, name === start.type));
  }

  pickContext(name) {
    this.question.start.context = name;
    this.rows.limit();
    this.onContext();
    this.changed();
  }

  contexts() {
    const { panels, contexts } = this.catalogue;
    return panels.map(({ id, name }) => ({
      title: name,
      items: contexts.filter(({ panel }) => panel === id).map((one) => ({ value: one.name, text: one.name, note: this.noteOf(one) })),
    })).filter(({ items }) => items.length);
  }

  noteOf({ share, treated }) {
    const parts = [share ? percent(share) : "", treated ? t(treated === 1 ? "cell.one-treated" : "cell.n-treated", { n: count(treated) }) : ""];
    return parts.filter(Boolean).join(" · ");
  }

  numbers() {
    const line = make(this.panel, "div", { class: "row numbers" }), { limits } = this.catalogue;
    const field = (id, label, most, least) => {
      const box = make(line, "div", { class: "field" });
      make(box, "label", { for: id }, label);
      make(box, "input", {
        id, type: "number", min: least, max: most, step: 1, value: this.question[id],
        change: (event) => {
          const asked = Math.round(Number(event.target.value)) || least;
          this.question[id] = Math.min(most, Math.max(least, asked));
          event.target.value = this.question[id];
          this.changed();
        },
      });
    };
    field("hours", t("cell.hours"), limits.hours, 1);
    field("cells", t("cell.cells"), limits.cells, 2);
  }

  changed() {
    this.support.ask(bodyOf(this.question));
    this.onChange();
  }

  /** Say how it goes. share: of the hours that are simulated. */
  tell({ text, isFault = false, isRunning, share }) {
    if (isRunning !== undefined) {
      this.stop.disabled = !isRunning;
      this.start.classList.toggle("busy", isRunning);
    }
    if (share !== undefined) this.bar.style.width = `${100 * share}%`;
    this.status.className = isFault ? "fault" : "hint";
    this.status.textContent = text;
  }

  takeDown() {
    this.context?.takeDown();
    this.rows.takeDown();
    this.support.takeDown();
  }
}
