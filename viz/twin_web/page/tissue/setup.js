// A scenario before it is run: before | what happens | what to expect.
import { ask } from "../lib/ask.js";
import { make, say, state } from "../lib/dom.js";
import { go } from "../lib/place.js";
import { t } from "../lib/words.js";
import { before, colorsOf } from "./before.js";
import { bodyOf, draftOf, dropDraft, fresh, keepDraft } from "./draft.js";
import { number } from "./form.js";
import { futures } from "./futures.js";
import { itemEditor } from "./items.js";
import { latest } from "./latest.js";
import { plan } from "./plan.js";

const PAUSE = 250; // ms after a change until it is checked
const SEED_PAUSE = 900; // ms after a change of what the tissue is made of until it is made anew

/** Show the editor of a scenario; `upload`: id of the user's cells, if they are to be taken. Returns what takes it down. */
export async function setup(holder, id, upload) {
  const end = new AbortController();
  const { signal } = end;
  const root = make(holder, "div", { class: "three tissue" });
  const left = before(root, {});
  left.wait(t("tissue.before.opening"));
  const middle = make(root, "section", { class: "panel happens", "aria-labelledby": "happens-title" });
  make(middle, "h2", { id: "happens-title" }, t("tissue.happens"));
  const opening = make(middle, "p", { class: "hint" }, t("tissue.opening"));
  const right = plan(root);
  const at = `/api/scenarios/${encodeURIComponent(id)}`;
  const query = upload ? `?${new URLSearchParams({ upload })}` : "";
  let scenario;
  try {
    scenario = { ...(await ask(`${at}${query}`, { signal })), genes_at: `${at}/genes` };
  } catch (error) {
    left.take();
    throw error;
  }
  opening.remove();
  const draft = draftOf(scenario, upload);
  let shown = 0; // the future whose timeline is shown
  const checks = latest(check, PAUSE), seeds = latest(seed, SEED_PAUSE);

  make(middle, "p", { class: "about" }, scenario.description || scenario.name);
  const tabs = futures(middle, { draft, scenario, onChoose: (i) => { shown = i; draw(); }, onChange: changed });
  const editor = itemEditor(middle, { scenario, actions: scenario.actions, onChange: changed });
  const settings = settingsOf(middle, { scenario, draft, onChange: (key) => { changed(); if (["cells", "seed"].includes(key)) seeds.soon(); draw(); } });
  const faults = make(middle, "div", { id: "faults", role: "alert" });
  const cost = make(middle, "p", { id: "cost", class: "cost number" });
  const row = make(middle, "div", { class: "row starting" });
  const start = make(row, "button", { id: "start", class: "button primary", type: "button", click: begin }, t("tissue.start"));
  make(row, "button", { id: "reset", class: "button", type: "button", click: reset }, t("tissue.reset"));

  function draw() {
    const { entries, at: from } = draft.futures[shown];
    const inherited = shown === 0 ? [] : draft.futures[0].entries;
    editor.show({ entries, inherited, duration: Number(draft.hours) || scenario.duration.hours, from: shown === 0 ? 0 : Number(from) || 0 });
    tabs.show(shown);
  }

  function changed() {
    keepDraft(scenario.id, upload, draft);
    delete document.body.dataset.checked; // it is true of what is seen, or not there
    checks.soon();
  }

  async function check() {
    const asFault = ({ message }) => ({ faults: [{ where: "", item: null, branch: null, sentence: message }], plan: null });
    const told = await ask(`${at}/check`, { method: "POST", body: bodyOf(scenario, draft, upload), signal }).catch(asFault);
    if (!signal.aborted) show(told);
  }

  function show({ faults: found, plan: planned }) {
    const { name } = draft.futures[shown];
    const mine = found.filter(({ branch }) => (branch ?? "trunk") === name);
    editor.tell({ faults: mine, support: planned?.support ?? [] });
    const elsewhere = settings.tell(found.filter(({ item }) => item === null));
    faults.replaceChildren();
    for (const { sentence } of elsewhere) make(faults, "p", { class: "fault" }, sentence);
    for (const { branch, sentence } of found.filter((one) => one.item !== null && !mine.includes(one))) {
      make(faults, "p", { class: "fault" }, t("tissue.fault.of", { future: branch ?? "trunk", sentence }));
    }
    start.disabled = found.length > 0;
    right.show({ plan: planned, scenario });
    cost.textContent = planned ? right.cost(planned) : "";
    document.body.dataset.checked = found.length ? "wrong" : "right";
  }

  async function begin() {
    start.disabled = true;
    state("running");
    try {
      const body = { ...bodyOf(scenario, draft, upload), scenario: scenario.id };
      if (draft.name.trim()) body.name = draft.name.trim();
      const { run } = await ask("/api/runs", { method: "POST", body, signal });
      say(t("tissue.started", { run }));
      go("tissue", [run]);
    } catch (error) {
      if (signal.aborted) return;
      state("ready");
      start.disabled = false;
      faults.replaceChildren();
      make(faults, "p", { class: "fault" }, error.message);
    }
  }

  function reset() {
    dropDraft(scenario.id, upload);
    Object.assign(draft, fresh(scenario));
    shown = 0;
    settings.draw();
    draw();
    changed();
    seeds.soon(0);
  }

  /** Make the tissue at hour 0, and show it. */
  async function seed() {
    const body = { seed: draft.seed, ...(scenario.cell_count.scales ? { cells: draft.cells } : {}), ...(upload ? { upload: { id: upload } } : {}) };
    left.wait(t("tissue.before.seeding"));
    try {
      const made = await ask(`${at}/before`, { method: "POST", body, signal });
      left.show({ run: made.run });
      const scene = await ask(`/api/runs/${encodeURIComponent(made.run)}/scene`, { signal });
      left.count({ cells: made.cells, types: made.types, colors: colorsOf(scene) });
    } catch (error) {
      if (!signal.aborted) left.fault(error.message);
    }
  }

  draw();
  state("ready");
  checks.soon(0);
  seeds.soon(0);
  document.title = t("tissue.title.new", { name: scenario.name });
  return () => {
    end.abort();
    checks.end();
    seeds.end();
    delete document.body.dataset.checked;
    left.take();
  };
}

/** The settings of a run: how long, how many cells, replicates, seed, name; faults stand at their fields. */
function settingsOf(parent, { scenario, draft, onChange }) {
  const box = make(parent, "div", { class: "settings", role: "group", "aria-label": t("tissue.settings") });
  const { duration, cell_count: cells, replicates } = scenario;

  function draw() {
    box.replaceChildren();
    field("duration", "hours", { min: duration.least, max: duration.most, step: scenario.tick });
    if (cells.scales) field("cells", "cells", { min: cells.least, max: cells.most, step: 1 });
    field("replicates", "replicates", { min: 1, max: replicates.most, step: 1 });
    field("seed", "seed", { min: 0, step: 1 });
    const place = placed("name");
    make(place.box, "input", {
      type: "text", id: place.id, value: draft.name, maxlength: 60, placeholder: scenario.name, autocomplete: "off",
      input: ({ target }) => { draft.name = target.value; onChange("name"); },
    });
    make(place.box, "p", { class: "fault", dataset: { fault: "name" }, hidden: true });
  }

  function field(key, of, limits) {
    number(placed(key), { value: draft[of], ...limits }, (value) => {
      draft[of] = value;
      onChange(key);
    });
  }

  function placed(key) {
    const made = make(box, "div", { class: "field", dataset: { key } });
    make(made, "label", { for: `set-${key}` }, t(`tissue.set.${key}`));
    return { box: made, id: `set-${key}`, key };
  }

  draw();
  return {
    draw,
    /** Show faults at their fields; returns those that belong to none. */
    tell: (faults) => {
      const rest = new Set(faults);
      for (const place of box.querySelectorAll("[data-fault]")) {
        const mine = faults.filter(({ where }) => where === place.dataset.fault);
        mine.forEach((fault) => rest.delete(fault));
        place.textContent = mine.map(({ sentence }) => sentence).join(" ");
        place.hidden = mine.length === 0;
        place.parentElement.querySelector("input").setAttribute("aria-invalid", String(mine.length > 0));
      }
      return [...rest];
    },
  };
}
