// What came of it, in words, and the cells to take home.
import { clear, make } from "../lib/dom.js";
import { count, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";

const NAMED = 3; // genes of a sentence

export class Summary {
  constructor(parent) {
    this.panel = make(parent, "section", { class: "panel summary", id: "summary", "aria-label": t("cell.summary"), hidden: true });
  }

  reset() {
    this.panel.hidden = true;
    clear(this.panel);
  }

  /** Show how a simulation ended; returns what is said aloud. */
  show({ how, frame, job, equivalent }) {
    clear(this.panel);
    this.panel.hidden = false;
    const spoken = spokenOf(frame);
    const line = make(this.panel, "div", { class: "row" });
    make(line, "p", { id: "summary-sentence" }, spoken);
    make(line, "a", { id: "download", class: "button", href: how.result ?? `/api/cell/result/${job}.h5ad`, download: "" }, `⬇ ${t("cell.download")}`);
    if (equivalent) {
      const more = make(this.panel, "details", { class: "hint" });
      make(more, "summary", {}, t("cell.equivalent"));
      make(more, "p", {}, equivalent);
    }
    return spoken;
  }
}

function spokenOf({ movers, moved }) {
  if (!movers.length) return t("cell.nothing-moved");
  const told = movers.slice(0, NAMED).map(([gene, , , , fold]) => t(fold > 0 ? "cell.up" : "cell.down", { gene, times: words3(2 ** Math.abs(fold)) }));
  return t("cell.moved", { n: count(moved), genes: told.join(t("cell.and")) });
}
