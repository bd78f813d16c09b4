// The user's own cells as the beginning of a tissue: those that were sent already, or a file.
import { ask, follow } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { go } from "../lib/place.js";
import { t } from "../lib/words.js";
import { cellsOf } from "./amounts.js";

/** The card of own cells in a list of cards. uploads: that this browser has sent; signal: when to stop. */
export function ownCells(list, uploads, signal) {
  const item = make(list, "li", { class: "card own", id: "own-cells" });
  const box = make(item, "div", { class: "inside" });
  make(box, "h2", {}, t("tissue.own"));
  make(box, "p", {}, t("tissue.own.what"));
  if (uploads.length > 0) {
    const have = make(box, "ul", { class: "uploads" });
    for (const upload of uploads) {
      const text = `${upload.file} · ${cellsOf(upload.cells)}`;
      make(make(have, "li"), "button", { class: "chip", type: "button", dataset: { upload: upload.id }, click: () => take(upload) }, text);
    }
  }
  const label = make(box, "label", { class: "button", for: "tissue-upload" }, t("tissue.own.choose"));
  const input = make(label, "input", { type: "file", id: "tissue-upload", accept: ".h5ad", class: "unseen", change: send });
  const told = make(box, "p", { class: "hint", role: "status", id: "upload-told" });
  const columns = make(box, "div", { class: "field", hidden: true });

  async function send() {
    const [file] = input.files;
    if (!file) return;
    input.disabled = true;
    tell(t("tissue.own.sending", { file: file.name }));
    try {
      const { job } = await ask(`/api/uploads?${new URLSearchParams({ name: file.name })}`, { method: "POST", body: file, signal });
      const stop = follow(`/api/jobs/${job}/events`, (event) => {
        if (event.kind === "step") tell(event.step);
        if (event.kind === "done") take(event.upload);
        if (event.kind === "failed") refuse(event.error);
      });
      signal.addEventListener("abort", stop);
    } catch (error) {
      if (!signal.aborted) refuse(error.message);
    }
  }

  /** Begin with an upload; first the column that names the types is asked for, where it is not known. */
  function take({ id, file, types_column: column, columns: offered }) {
    if (column !== null) return go("tissue", ["new", "own-cells"], { upload: id });
    tell(file);
    clear(columns);
    columns.hidden = false;
    make(columns, "label", { for: "types-column" }, t("tissue.own.column"));
    const choice = make(columns, "select", { id: "types-column" });
    for (const { name } of offered) make(choice, "option", { value: name }, name);
    make(columns, "button", {
      class: "button primary", type: "button", id: "take-cells",
      click: async () => {
        try {
          take(await ask(`/api/uploads/${id}`, { method: "POST", body: { types_column: choice.value }, signal }));
        } catch (error) {
          if (!signal.aborted) refuse(error.message);
        }
      },
    }, t("tissue.own.take"));
    return choice.focus();
  }

  function tell(text) {
    told.className = "hint";
    told.textContent = text;
  }

  function refuse(sentence) {
    told.className = "fault";
    told.textContent = sentence;
    say(sentence);
    input.disabled = false;
    input.value = "";
  }
}
