// How much of what is asked was measured: shown before it is run, and said anew at each change.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { t } from "../lib/words.js";

const PAUSE = 160; // ms without a change until the server is asked
const SIGNS = { measured: "●", near: "◐", rule: "◆", far: "○", none: "✕" }; // told apart without their colours

/** A mark with its level in words. */
export function mark(parent, level) {
  if (!(level in SIGNS)) return null;
  const made = make(parent, "span", { class: "mark", dataset: { level } });
  make(made, "span", { "aria-hidden": "true" }, SIGNS[level]);
  make(made, "span", {}, t(`cell.level.${level}`));
  return made;
}

/** The meter. onTold(answer or null) hands the marks of the choices to their rows. */
export class Support {
  constructor(parent, onTold) {
    this.box = make(parent, "div", { id: "support", class: "support", role: "group", "aria-label": t("cell.support") });
    this.onTold = onTold;
    this.timer = 0;
    this.request = new AbortController();
  }

  /** Ask for a question's support, once nothing has changed for a moment. */
  ask(body) {
    clearTimeout(this.timer);
    this.box.dataset.fresh = "no";
    this.timer = setTimeout(() => this.now(body), PAUSE);
  }

  async now(body) {
    this.request.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    try {
      const answer = await ask("/api/cell/support", { method: "POST", body, signal });
      this.show(answer);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 503) return this.ask(body); // the model is still being loaded
      clear(this.box);
      make(this.box, "p", { class: "fault", id: "support-fault" }, error.message);
      this.onTold(null);
    }
    this.box.dataset.fresh = "yes";
  }

  show(answer) {
    clear(this.box);
    const head = make(this.box, "div", { class: "row support-head" });
    make(head, "h3", {}, t("cell.support"));
    mark(head, answer.level);
    if (answer.support !== null && answer.level in SIGNS) {
      make(head, "b", { class: "number", id: "support-share" }, percent(answer.support));
      const bar = make(this.box, "div", { class: "bar", role: "img", "aria-label": `${t("cell.support")} ${percent(answer.support)}`, dataset: { level: answer.level } });
      make(bar, "i", { style: { width: `${100 * answer.support}%` } });
    }
    make(this.box, "p", { class: "hint", id: "support-sentence" }, answer.sentence);
    for (const warning of answer.warnings) {
      const line = make(this.box, "p", { class: "hint warning" });
      make(line, "span", { "aria-hidden": "true" }, "⚠ ");
      make(line, "span", {}, warning);
    }
    this.onTold(answer);
  }

  takeDown() {
    clearTimeout(this.timer);
    this.request.abort();
  }
}
