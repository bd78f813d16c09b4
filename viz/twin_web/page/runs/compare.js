// Two futures or runs are chosen, and held against each other by the server.
import { ask } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { note } from "../lib/place.js";
import { t } from "../lib/words.js";
import { compared } from "./compared.js";
import { followInTurn } from "./turns.js";

const TRUNK = "trunk";

/** Make the panel of comparisons, hidden until a run is ticked; `choose(names)` says which are. */
export function comparing(parent, params) {
  const panel = make(parent, "section", { class: "panel", id: "compare", "aria-labelledby": "compare-title", hidden: true });
  make(panel, "h2", { id: "compare-title" }, t("runs.compare"));
  const form = make(panel, "form", { class: "sides", id: "compare-form" });
  const trouble = make(panel, "p", { class: "fault", role: "alert", hidden: true });
  const result = make(panel, "div", { id: "compared", class: "compared" });
  let asked = 0; // which choice the form is for: an answer that comes late is not shown
  let stop = () => {};
  let takeDown = () => {};
  let chosen = [];

  async function choose(names) {
    const mine = ++asked;
    chosen = names;
    panel.hidden = !names.length && !result.firstChild;
    trouble.hidden = true;
    if (!names.length) return clear(form);
    try {
      const runs = await Promise.all(names.map((name) => ask(`/api/runs/${encodeURIComponent(name)}`)));
      if (mine === asked) fill(runs);
    } catch (error) {
      if (mine === asked) fail(error.message);
    }
  }

  function fail(sentence) {
    trouble.textContent = sentence;
    trouble.hidden = false;
  }

  function fill(runs) {
    clear(form);
    const [first, second] = [runs[0], runs[1] ?? runs[0]];
    const alone = first.name === second.name;
    const others = first.branch_names.filter((name) => name !== TRUNK);
    if (alone && !others.length && !first.axes.length) {
      make(form, "p", { class: "hint" }, t("runs.tick-second"));
      return;
    }
    const sides = [side(form, 0, first, alone && others.length ? others[0] : TRUNK), side(form, 1, second, TRUNK)];
    const kept = first.times.filter((h) => second.times.some((other) => Math.abs(other - h) < 1e-6));
    const time = select(form, "compare-time", t("runs.time"), kept.map((h) => [`${h} h`, hours(h)]).reverse());
    const names = first.compartments.map(({ name }) => name).filter((name) => second.compartments.some((c) => c.name === name));
    const compartment = select(form, "compare-compartment", t("runs.compartment"), names.map((name) => [name, name]));
    compartment.closest(".field").hidden = names.length < 2;
    const start = make(form, "button", { class: "button primary", id: "compare-start" }, t("runs.compare-start"));
    if (!kept.length || !names.length) {
      start.disabled = true;
      make(form, "p", { class: "hint" }, t("runs.nothing-common"));
    }
    form.onsubmit = (event) => {
      event.preventDefault();
      begin({ sides: sides.map((read) => read()), time: time.value, compartment: compartment.value });
    };
  }

  async function begin(body) {
    trouble.hidden = true;
    try {
      const { job } = await ask("/api/compare", { method: "POST", body });
      note({ compare: job });
      wait(job);
    } catch (error) {
      fail(error.message);
    }
  }

  function wait(job) {
    stop();
    takeDown();
    takeDown = () => {};
    panel.hidden = false;
    clear(result);
    panel.dataset.state = "running";
    const word = make(result, "p", { class: "hint" }, t("runs.comparing"));
    stop = followInTurn(job, (event) => {
      if (event.kind === "step") word.textContent = t(`runs.comparing-${event.step}`);
      if (!["done", "failed", "stopped"].includes(event.kind)) return;
      clear(result);
      panel.dataset.state = event.kind;
      if (event.kind === "done") {
        takeDown = compared(result, event);
        say(t("runs.compared", { first: event.names[0], second: event.names[1] }));
      } else {
        note({ compare: null });
        if (event.kind === "failed") fail(event.error);
        panel.hidden = !chosen.length && trouble.hidden;
      }
    });
  }

  return {
    choose,
    resume: () => { if (params.query.get("compare")) wait(params.query.get("compare")); },
    down: () => { stop(); takeDown(); },
  };
}

/** Make the fields of one side, and return what reads it. */
function side(form, number, run, branch) {
  const box = make(form, "fieldset", { class: `field side side${number}` });
  make(box, "legend", {}, t(number ? "runs.second" : "runs.first"));
  make(box, "b", { class: "file-name" }, run.name);
  const picks = make(box, "div", { class: "row" });
  const branches = select(picks, `branch-${number}`, t("runs.branch"), run.branch_names.map((name) => [name, name]));
  branches.value = branch;
  branches.closest(".field").hidden = run.branch_names.length < 2;
  const points = run.axes.map(({ name, labels }, i) => {
    const point = select(picks, `point-${number}-${i}`, name, labels.map((label) => [label, label]));
    if (!number && labels.length > 1 && run.branch_names.length < 2) point.value = labels.at(-1);
    return [name, point];
  });
  return () => ({ run: run.name, branch: branches.value, point: points.map(([name, point]) => `${name}=${point.value}`) });
}

function select(parent, id, words, values) {
  const box = make(parent, "div", { class: "field" });
  make(box, "label", { for: id }, words);
  const made = make(box, "select", { id });
  for (const [value, text] of values) made.add(new Option(text, value));
  return made;
}
