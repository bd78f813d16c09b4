// The runs: what there is and how far it is, files to take home, two held against each other, and one's own cells.
import { ask } from "../lib/ask.js";
import { make, state } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { comparing } from "./compare.js";
import { filesOf } from "./files.js";
import { tableOf } from "./table.js";
import { uploadsOf } from "./uploads.js";

const SOON = 1500; // ms until the list is asked for again while something runs
const LATER = 8000; // ms while nothing does: a run of the command line appears by itself
const GOES_ON = ["running", "waiting", "preparing", "paused", "stopping"];

/** Fill the holder, and return what takes it down. */
export async function mount(holder, params) {
  const root = make(holder, "div", { class: "runs-page" });
  const left = make(root, "div", { class: "runs-left" });
  const right = make(root, "div", { class: "runs-right" });
  const panel = make(left, "section", { class: "panel", "aria-labelledby": "runs-title" });
  const head = make(panel, "div", { class: "row runs-head" });
  make(head, "h1", { id: "runs-title" }, t("runs.title"));
  const where = make(head, "span", { class: "hint", id: "runs-folder" });
  const trouble = make(panel, "p", { class: "fault", role: "alert", hidden: true });
  const end = new AbortController();
  const files = filesOf(left);
  const compare = comparing(left, params);
  const table = tableOf(panel, {
    chosen: (names) => compare.choose(names),
    write: (row) => files.choose(row),
    changed: () => load(),
    signal: end.signal,
  });
  const uploads = uploadsOf(right, { signal: end.signal });
  let timer = 0;

  async function load() {
    clearTimeout(timer);
    let soon = false;
    try {
      const { runs, folder } = await ask("/api/runs", { signal: end.signal });
      if (end.signal.aborted) return;
      trouble.hidden = true;
      where.textContent = t("runs.folder", { folder });
      table.show(runs);
      soon = runs.some((row) => GOES_ON.includes(row.state));
    } catch (error) {
      if (end.signal.aborted) return;
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
    timer = setTimeout(() => (document.hidden ? wait() : load()), soon ? SOON : LATER);
  }

  function wait() {
    document.addEventListener("visibilitychange", load, { once: true, signal: end.signal });
  }

  await Promise.all([load(), uploads.load()]);
  compare.resume();
  state("ready");
  return () => {
    clearTimeout(timer);
    end.abort();
    for (const part of [files, compare, uploads]) part.down();
  };
}
