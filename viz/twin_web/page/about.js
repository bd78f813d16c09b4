// What the server is: its version, its model, its machine, where it keeps things.
import { ask } from "./lib/ask.js";
import { make } from "./lib/dom.js";
import { count } from "./lib/numbers.js";
import { t } from "./lib/words.js";

const INSTALLS = { umap: "twin[web]", sbml: "twin[sbml]" };

/** Open the dialog; it goes away when it is closed, and the focus goes back to where it was. */
export async function openAbout() {
  const dialog = make(document.body, "dialog", { id: "about-dialog", "aria-labelledby": "about-title" });
  dialog.addEventListener("close", () => dialog.remove());
  make(dialog, "h2", { id: "about-title" }, t("shell.about.title"));
  make(dialog, "p", { class: "hint" }, t("shell.about.private"));
  const facts = make(dialog, "table", { class: "table" });
  const close = make(dialog, "button", { class: "button", type: "button", click: () => dialog.close() }, t("shell.about.close"));
  dialog.showModal();
  close.focus();
  try {
    const site = await ask("/api/site");
    row(facts, "version", site.twin);
    row(facts, "model", site.model);
    row(facts, "runs", site.runs);
    row(facts, "upload", t("shell.about.megabytes", { n: count(site.upload_limit_mb) }));
    for (const [what, isThere] of Object.entries(site.extras)) {
      row(facts, what, isThere ? t("shell.about.there") : t("shell.about.install", { what: INSTALLS[what] }));
    }
    const machine = row(facts, "machine", t("shell.loading"));
    const { cores, gpu } = await ask("/api/machine");
    machine.textContent = t(gpu ? "shell.about.gpu" : "shell.about.cores", { cores, gpu });
  } catch (error) {
    make(facts, "caption", { class: "fault" }, error.message);
  }
}

function row(table, key, value) {
  const line = make(table, "tr");
  make(line, "th", { scope: "row" }, t(`shell.about.${key}`));
  return make(line, "td", { dataset: { of: key } }, value);
}
