// One's own cells: a file is sent, checked by the server, and used in the cell or the tissue view.
import { Told, ask } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { count, percent, words3 } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";
import { really } from "./dialog.js";
import { bytes } from "./sizes.js";
import { followInTurn } from "./turns.js";

const MB = 1e6;
const SHOWN = 8; // types that are listed before the rest is counted

/** Make the area of uploads; `load()` asks the server what is there. */
export function uploadsOf(parent, { signal }) {
  const panel = make(parent, "section", { class: "panel", id: "uploads", "aria-labelledby": "uploads-title" });
  make(panel, "h2", { id: "uploads-title" }, t("runs.own"));
  make(panel, "p", { class: "hint" }, t("runs.own-why"));
  const zone = make(panel, "div", { class: "zone", id: "zone" });
  const input = make(zone, "input", { type: "file", id: "file", accept: ".h5ad", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  make(zone, "button", { type: "button", class: "button primary", id: "choose-file", click: () => input.click() }, t("runs.choose-file"));
  make(zone, "p", { class: "hint" }, t("runs.drop"));
  const limit = make(panel, "p", { class: "hint", id: "upload-limits" });
  const trouble = make(panel, "p", { class: "fault", role: "alert", id: "upload-fault", hidden: true });
  const list = make(panel, "ul", { class: "uploads", id: "upload-list" });
  const teach = make(panel, "details", { class: "hint", id: "upload-help" });
  make(teach, "summary", {}, t("runs.what-file"));
  for (const key of ["need-counts", "need-genes", "need-types", "need-places"]) make(teach, "p", {}, t(`runs.${key}`));
  make(teach, "code", {}, 'adata.write_h5ad("cells.h5ad", compression="gzip")');
  const stops = new Set();
  let most = Infinity; // MB of a file

  input.addEventListener("change", () => { sendAll([...input.files]); input.value = ""; });
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); sendAll([...event.dataTransfer.files]); });
  for (const name of ["dragover", "drop"]) document.addEventListener(name, stray, { signal });

  async function load() {
    try {
      const { uploads, limits } = await ask("/api/uploads", { signal });
      most = limits.file_mb;
      limit.textContent = t("runs.limits", {
        file: bytes(limits.file_mb * MB), used: bytes(limits.used_mb * MB), own: bytes(limits.own_mb * MB),
        files: count(limits.files), most: count(limits.most_files),
      });
      for (const card of [...list.querySelectorAll("li[data-id]")]) card.remove();
      for (const upload of uploads) shown(make(list, "li"), upload);
      teach.open = !uploads.length;
    } catch (error) {
      if (!signal.aborted) fail(error.message);
    }
  }

  function fail(sentence) {
    trouble.textContent = sentence;
    trouble.hidden = false;
  }

  async function sendAll(files) {
    trouble.hidden = true;
    for (const file of files) await sent(file); // one after the other: a line is as wide as it is
  }

  async function sent(file) {
    if (!file.name.toLowerCase().endsWith(".h5ad")) return fail(t("runs.no-h5ad", { file: file.name }));
    if (file.size > most * MB) return fail(t("runs.too-large", { file: file.name, size: bytes(file.size), most: bytes(most * MB) }));
    const card = make(null, "li", { dataset: { state: "sending" } });
    list.prepend(card);
    make(card, "b", { class: "file-name" }, file.name);
    const word = make(card, "span", { class: "hint number" }, t("runs.sending", { share: percent(0) }));
    const bar = make(card, "div", { class: "bar", role: "progressbar", "aria-label": t("runs.progress-of", { file: file.name }) });
    const done = make(bar, "i");
    const line = new XMLHttpRequest();
    const cancel = make(card, "button", { type: "button", class: "button small", dataset: { testid: "cancel-upload" }, click: () => line.abort() }, t("runs.cancel"));
    try {
      const { job } = await transfer(line, file, (share) => {
        done.style.width = `${100 * share}%`;
        bar.setAttribute("aria-valuenow", Math.round(100 * share));
        word.textContent = t("runs.sending", { share: percent(share) });
      });
      if (!job) return card.remove();
      card.dataset.state = "checking";
      cancel.remove();
      bar.classList.add("busy");
      word.textContent = t("runs.checking");
      const event = await checked(job, (step) => { word.textContent = t(`runs.step-${step}`); });
      if (event.kind !== "done") throw new Told(event.error ?? t("runs.stopped"), 400);
      clear(card);
      await load();
      card.remove();
      say(t("runs.accepted", { file: file.name, cells: count(event.upload.cells) }));
    } catch (error) {
      if (signal.aborted) return;
      card.dataset.state = "failed";
      clear(card);
      make(card, "b", { class: "file-name" }, file.name);
      make(card, "p", { class: "fault", role: "alert", dataset: { testid: "refused" } }, error.message);
      make(card, "button", { type: "button", class: "button small", click: () => card.remove() }, t("runs.forget"));
    }
  }

  function checked(job, step) {
    return new Promise((answer) => {
      const stop = followInTurn(job, (event) => {
        if (event.kind === "step") step(event.step);
        else answer(event);
      });
      stops.add(stop);
    });
  }

  /** Fill a card with what was found in a file. */
  function shown(card, upload) {
    clear(card);
    card.dataset.id = upload.id;
    card.dataset.state = "ready";
    make(card, "b", { class: "file-name" }, upload.file);
    make(card, "p", { class: "number", dataset: { testid: "found" } }, t("runs.found", {
      cells: count(upload.cells), genes: count(upload.genes), share: percent(upload.shared / upload.genes),
    }));
    const rest = [
      upload.counts_from === "X" ? "" : t("runs.counts-from", { place: upload.counts_from }),
      upload.spatial ? (upload.apart ? t("runs.places-apart", { apart: words3(upload.apart) }) : t("runs.places")) : "",
      bytes(upload.bytes),
    ].filter(Boolean);
    make(card, "p", { class: "hint" }, rest.join(" · "));
    for (const sentence of upload.told) make(card, "p", { class: "beyond" }, sentence);
    const box = make(card, "div", { class: "field" });
    const id = `types-${upload.id}`;
    make(box, "label", { for: id }, t("runs.types-column"));
    const select = make(box, "select", { id, dataset: { testid: "types-column" }, change: () => choose(card, upload, select.value) });
    if (!upload.types_column) select.add(new Option(upload.columns.length ? t("runs.choose-column") : t("runs.no-column"), ""));
    for (const { name, types } of upload.columns) select.add(new Option(`${name} (${count(Object.keys(types).length)})`, name));
    select.value = upload.types_column ?? "";
    types(card, upload);
    const ways = make(card, "div", { class: "row" });
    const usable = Boolean(upload.types_column);
    use(ways, "use-cell", address("cell", [], { upload: upload.id }), usable);
    use(ways, "use-tissue", address("tissue", ["new", "own-cells"], { upload: upload.id }), usable);
    make(ways, "button", {
      type: "button", class: "button small danger", dataset: { testid: "delete-upload" }, click: () => remove(upload),
    }, t("runs.delete"));
    return card;
  }

  function use(parent, key, href, usable) {
    if (usable) make(parent, "a", { class: "button small", href, dataset: { testid: key } }, t(`runs.${key}`));
    else make(parent, "button", { type: "button", class: "button small", disabled: true, title: t("runs.choose-column") }, t(`runs.${key}`));
  }

  async function choose(card, upload, column) {
    if (!column) return;
    try {
      shown(card, await ask(`/api/uploads/${upload.id}`, { method: "POST", body: { types_column: column } }));
      card.querySelector("select").focus();
    } catch (error) {
      fail(error.message);
    }
  }

  async function remove(upload) {
    if (!await really(t("runs.delete-upload"), t("runs.really-upload", { file: upload.file }), t("runs.delete"))) return;
    await ask(`/api/uploads/${upload.id}`, { method: "DELETE" }).catch((error) => fail(error.message));
    await load();
    document.getElementById("choose-file")?.focus();
  }

  return { load, down: () => { for (const stop of stops) stop(); } };
}

function types(card, upload) {
  const all = upload.columns.find(({ name }) => name === upload.types_column)?.types ?? {};
  const names = Object.entries(all);
  if (!names.length) return;
  const known = new Set(upload.known);
  const list = make(card, "ul", { class: "chips", "aria-label": t("runs.types") });
  for (const [name, n] of names.slice(0, SHOWN)) {
    const chip = make(list, "li", { class: "chip", title: t(known.has(name) ? "runs.known" : "runs.unknown") });
    make(chip, "i", { class: known.has(name) ? "known" : "unknown", "aria-hidden": "true" }, known.has(name) ? "✓" : "?");
    make(chip, "span", {}, name);
    make(chip, "span", { class: "hint number" }, count(n));
    make(chip, "span", { class: "unseen" }, t(known.has(name) ? "runs.known" : "runs.unknown"));
  }
  if (names.length > SHOWN) make(list, "li", { class: "hint" }, t("runs.and-more", { n: count(names.length - SHOWN) }));
  const strange = names.filter(([name]) => !known.has(name)).length;
  if (strange) make(card, "p", { class: "hint" }, t("runs.strange", { n: count(strange), of: count(names.length) }));
}

/** Send a file, telling how much of it is there; resolves to {} where it was taken back. */
function transfer(line, file, progress) {
  return new Promise((answer, refuse) => {
    line.open("POST", `/api/uploads?${new URLSearchParams({ name: file.name })}`);
    line.setRequestHeader("Content-Type", "application/octet-stream");
    line.responseType = "json";
    line.upload.addEventListener("progress", (event) => progress(event.total ? event.loaded / event.total : 0));
    line.addEventListener("load", () => {
      if (line.status === 200) answer(line.response);
      else refuse(new Told(line.response?.error ?? t("shell.failed", { status: line.status }), line.status));
    });
    line.addEventListener("error", () => refuse(new Told(t("runs.line-lost"), 0)));
    line.addEventListener("abort", () => answer({}));
    line.send(file);
  });
}

/** A file that is dropped beside the zone would be opened in the place of the page. */
function stray(event) {
  event.preventDefault();
}
