// What a run is made of, for whoever looks closely.
import { make } from "../lib/dom.js";
import { count, hours } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";

const MOST = 12; // trajectories that are listed before the rest is counted

/** Fill an element with what the server tells of a run. */
export function details(parent, run) {
  const box = make(parent, "div", { class: "details", dataset: { testid: "details-of" } });
  for (const sentence of run.warnings) make(box, "p", { class: "beyond" }, sentence);
  const facts = make(box, "dl", { class: "facts" });
  const fact = (key, text) => {
    if (!text) return;
    make(facts, "dt", {}, t(`runs.${key}`));
    make(facts, "dd", {}, text);
  };
  fact("compartments", run.compartments.map(boxed).join("; "));
  fact("branch-names", run.branch_names.length > 1 ? run.branch_names.join(", ") : "");
  fact("axes", run.axes.map(({ name, labels }) => `${name}: ${labels.join(", ")}`).join("; "));
  fact("times", run.times.length ? t("runs.times-told", {
    n: count(run.times.length), first: hours(run.times[0]), last: hours(run.times.at(-1)),
  }) : "");
  fact("model", [run.model.name, run.model.from].filter(Boolean).join(", "));
  fact("seed", run.seed === null ? "" : String(run.seed));
  fact("versions", ["twin", "torch", "python"].filter((k) => run.versions[k]).map((k) => `${k} ${run.versions[k]}`).join(", "));
  fact("processes", Object.keys(run.plugins).join(", "));
  fact("inputs", Object.keys(run.inputs).join(", "));
  fact("holder", run.holder ?? "");
  trajectories(box, run);
  list(box, "happened", run.log.map(({ time, what, words, label }) =>
    [hours(time), what.replaceAll("_", " "), words, run.standings.length > 1 ? label : ""].filter(Boolean).join(" · ")), true);
  list(box, "assumptions", run.assumptions);
  if (run.scenario_yaml) {
    const more = make(box, "details");
    make(more, "summary", {}, t("runs.scenario"));
    make(more, "pre", { class: "scroll", tabindex: "0" }, run.scenario_yaml);
  }
  make(box, "a", { class: "button small", href: address("tissue", [run.name]) }, t("runs.open"));
}

function boxed({ name, box, well_mixed: mixed }) {
  if (mixed) return t("runs.well-mixed", { name });
  return box ? `${name} (${box.map((edge) => Math.round(edge)).join(" × ")} µm)` : name;
}

function trajectories(box, run) {
  const wanted = run.standings.filter(({ state }) => state !== "done");
  if (!wanted.length) return;
  list(box, "trajectories", [
    ...wanted.slice(0, MOST).map(({ label, state, hours: h, error }) =>
      [label || t("runs.trunk"), t(`runs.state-${state}`), hours(h), error ?? ""].filter(Boolean).join(" · ")),
    ...(wanted.length > MOST ? [t("runs.and-more", { n: count(wanted.length - MOST) })] : []),
  ], true);
}

function list(box, key, rows, open = false) {
  if (!rows.length) return;
  const more = make(box, "details", { open });
  make(more, "summary", {}, `${t(`runs.${key}`)} (${count(rows.length)})`);
  const items = make(more, "ul");
  for (const row of rows) make(items, "li", {}, row);
}
