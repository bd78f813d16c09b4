// Files of a run: what is wanted of it is chosen in a box, written by the server, and saved by the browser.
import { ask } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { count, hours } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { dialog } from "./dialog.js";
import { bytes } from "./sizes.js";
import { followInTurn } from "./turns.js";

const TIMED = ["h5ad", "png"]; // of one time, or some
const COLOURED = ["png", "mp4", "html", "csv"];
const ABREAST = ["png", "mp4"]; // branches side by side
const FUTURES = 4; // that a page shows

/** Make the list of files that are being written; `choose(row)` opens the box in which one is asked for. */
export function filesOf(parent) {
  const panel = make(parent, "section", { class: "panel", id: "files", "aria-labelledby": "files-title", hidden: true });
  make(panel, "h2", { id: "files-title" }, t("runs.files"));
  const list = make(panel, "ul", { class: "files" });
  const stops = new Set();

  function begin(job, run, kind) {
    panel.hidden = false;
    const line = make(list, "li", { dataset: { kind, state: "waiting" } });
    const name = make(line, "span", { class: "file-name" }, `${run} · ${t(`runs.kind-${kind}`)}`);
    const word = make(line, "span", { class: "hint number" }, t("runs.file-waiting"));
    const bar = make(line, "div", { class: "bar", role: "progressbar", "aria-label": t("runs.progress-of", { file: name.textContent }) });
    const done = make(bar, "i");
    const buttons = make(line, "span", { class: "row" });
    const cancel = make(buttons, "button", {
      type: "button", class: "button small", dataset: { testid: "cancel" },
      click: () => { cancel.disabled = true; ask(`/api/jobs/${job}`, { method: "DELETE" }).catch(() => {}); },
    }, t("runs.cancel"));
    const drop = () => { line.remove(); panel.hidden = !list.firstChild; };
    const stop = followInTurn(job, (event) => {
      line.dataset.state = event.kind;
      if (event.kind === "writing") word.textContent = t("runs.file-writing");
      if (event.kind === "progress") {
        done.style.width = `${(100 * event.done) / event.of}%`;
        bar.setAttribute("aria-valuenow", Math.round((100 * event.done) / event.of));
        word.textContent = t("runs.file-frames", { done: count(event.done), of: count(event.of) });
      }
      if (event.kind === "stopped") return drop();
      if (event.kind !== "done" && event.kind !== "failed") return;
      bar.hidden = true;
      clear(buttons);
      if (event.kind === "failed") {
        word.className = "fault";
        word.textContent = event.error;
        say(event.error);
      } else {
        name.textContent = event.name;
        word.textContent = bytes(event.bytes);
        const link = make(buttons, "a", { class: "button small", href: event.href, download: event.name, dataset: { testid: "save" } }, t("runs.save"));
        say(t("runs.file-ready", { file: event.name }));
        link.click();
      }
      make(buttons, "button", { type: "button", class: "button small quiet", "aria-label": t("runs.forget"), click: drop }, "✕");
    });
    stops.add(stop);
  }

  return {
    choose: (row) => chosen(row, (job, kind) => begin(job, row.name, kind)),
    down: () => { for (const stop of stops) stop(); },
  };
}

/** Show the box in which a file is asked for. */
async function chosen(row, begun) {
  const { box, body, foot, close } = dialog(t("runs.download-title", { run: row.name }), { wide: true });
  const trouble = make(body, "p", { class: "fault", role: "alert", hidden: true });
  const form = make(body, "form", { id: "download", class: "choices" });
  const fail = (error) => { trouble.textContent = error.message; trouble.hidden = false; };
  let run;
  try {
    run = await ask(`/api/runs/${encodeURIComponent(row.name)}`);
  } catch (error) {
    return fail(error);
  }
  const kinds = make(form, "fieldset", { class: "field kinds" });
  make(kinds, "legend", {}, t("runs.as"));
  for (const [i, kind] of run.kinds.entries()) {
    const label = make(kinds, "label", { class: "kind" });
    make(label, "input", { type: "radio", name: "kind", value: kind, checked: i === 0, change: fit });
    make(label, "b", {}, t(`runs.kind-${kind}`));
    make(label, "span", { class: "hint" }, t(`runs.kind-${kind}-why`));
  }
  const more = make(form, "div", { class: "grid" });
  const time = picked(more, "time", run.times.map((h) => [`${h}h`, hours(h)]).reverse());
  if (run.times.length > 1) {
    time.add(new Option(t("runs.first-last"), `${run.times[0]}h,${run.times.at(-1)}h`));
    time.add(new Option(t("runs.all-times"), "all"));
  }
  const color = make(field(more, "color"), "input", { type: "text", id: "file-color", name: "color", list: "file-colors", placeholder: run.colors[0] ?? "" });
  const colors = make(more, "datalist", { id: "file-colors" });
  for (const name of run.colors) make(colors, "option", { value: name });
  const branches = make(more, "fieldset", { class: "field wide", hidden: run.branch_names.length < 2 });
  make(branches, "legend", {}, t("runs.branch-names"));
  const ticks = run.branch_names.map((name, i) => {
    const label = make(branches, "label", { class: "row" });
    const box = make(label, "input", { type: "checkbox", name: "branch", value: name, checked: i === 0, change: single });
    label.append(name);
    return box;
  });
  const points = run.axes.map(({ name, labels }) => [name, picked(more, "", labels.map((l) => [l, l]), name)]);
  const compartment = picked(more, "compartment", run.compartments.filter((c) => !c.well_mixed || run.kinds.length < 5).map(({ name }) => [name, name]));
  const replicate = picked(more, "replicate", [...Array(run.replicates).keys()].map((i) => [String(i), String(i)]));
  const kind = () => new FormData(form).get("kind");
  const start = make(foot, "button", { type: "submit", form: "download", class: "button primary", id: "write" }, t("runs.write"));

  function fit() {
    const now = kind();
    time.closest(".field").hidden = !TIMED.includes(now);
    for (const option of time.options) option.hidden = option.disabled = now === "h5ad" ? option.value.includes(",") : option.value === "all";
    if (time.selectedOptions[0]?.disabled) time.selectedIndex = 0;
    color.closest(".field").hidden = !COLOURED.includes(now);
    single();
  }

  /** Of what shows one future one branch is ticked, the last that was; a page shows all of them, if they fit. */
  function single(event) {
    branches.hidden = ticks.length < 2 || wholePage();
    if (ABREAST.includes(kind()) || wholePage()) return;
    const one = event?.target.name === "branch" ? event.target : ticks.find((tick) => tick.checked) ?? ticks[0];
    for (const tick of ticks) tick.checked = tick === one;
  }

  function wholePage() {
    return kind() === "html" && ticks.length <= FUTURES;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    const now = kind();
    const chosenBranches = ticks.filter((tick) => tick.checked).map((tick) => tick.value);
    const wanted = {
      kind: now,
      time: TIMED.includes(now) ? time.value || null : null,
      color: COLOURED.includes(now) ? color.value.trim() || null : null,
      branches: ticks.length > 1 && !wholePage() ? chosenBranches : [],
      point: points.map(([name, select]) => `${name}=${select.value}`),
      compartment: compartment.value || null,
      replicate: Number(replicate.value),
    };
    try {
      const { job } = await ask(`/api/runs/${encodeURIComponent(row.name)}/downloads`, { method: "POST", body: wanted });
      close();
      begun(job, now);
      say(t("runs.file-begun"));
    } catch (error) {
      start.disabled = false;
      fail(error);
    }
  });
  fit();
  box.querySelector("input[name=kind]").focus();
}

function field(parent, key, text = null) {
  const box = make(parent, "div", { class: "field" });
  make(box, "label", { for: `file-${key || text}` }, text ?? t(`runs.${key}`));
  return box;
}

/** Make a field in which one of some values is picked; hidden where there is but one. */
function picked(parent, key, values, text = null) {
  const box = field(parent, key, text);
  box.hidden = values.length < 2;
  const select = make(box, "select", { id: `file-${key || text}` });
  for (const [value, words] of values) select.add(new Option(words, value));
  return select;
}
