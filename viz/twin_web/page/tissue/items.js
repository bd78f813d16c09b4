// A timeline that can be changed: its lanes, the form of the item that is open, and what may be added.
import { clear, make, say } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { entry as entryOf } from "./draft.js";
import { itemForm, showFaults } from "./form.js";
import { KINDS, nameOf, tellOf } from "./kinds.js";
import { lanes } from "./lanes.js";

/**
 * An editor of items in `parent`.
 *
 * scenario : what may be chosen. actions : [{do, why}], kinds that may be added; why not, or null.
 * onChange : called when an item was added, changed or removed.
 * Returns show({entries, inherited, duration, from, now}), tell({faults, support}) of a check, and focus().
 */
export function itemEditor(parent, { scenario, actions, onChange }) {
  let shown = { entries: [], inherited: [], duration: 1, from: 0, now: null };
  let open = null;
  let found = { faults: [], support: [] };
  const line = lanes(parent, {
    move: (entry) => changed(entry),
    pick: (entry) => {
      open = open === entry.id ? null : entry.id;
      draw();
    },
    remove,
  });
  const menu = make(parent, "div", { class: "adding", role: "group", "aria-label": t("tissue.add") });
  make(menu, "span", { class: "hint", "aria-hidden": "true" }, t("tissue.add"));
  for (const { do: kind, why } of actions.filter(({ do: name }) => name in KINDS)) {
    const button = make(menu, "button", {
      class: "chip add", type: "button", dataset: { do: kind, testid: `add-${kind}` }, disabled: why !== null, title: why ?? t(`tissue.about.${kind}`),
      click: () => add(kind),
    });
    make(button, "i");
    button.append(t(`tissue.kind.${kind}`));
  }

  function add(kind) {
    const { duration, from } = shown;
    const at = kind === "knock_out" ? from : from + Math.round((0.1 * (duration - from)) / scenario.tick) * scenario.tick;
    const made = entryOf({ item: { do: kind, ...KINDS[kind].begin(scenario) }, at: Number(at.toPrecision(10)) });
    shown.entries.push(made);
    open = made.id;
    draw();
    line.box.querySelector(".lane.open .form input, .lane.open .form select")?.focus();
    onChange();
  }

  function remove(entry) {
    const at = shown.entries.indexOf(entry);
    shown.entries.splice(at, 1);
    say(t("tissue.removed", { name: nameOf(entry.item) }));
    if (open === entry.id) open = null;
    draw();
    (line.box.querySelectorAll(".lane:not(.still) .item")[Math.max(0, at - 1)] ?? menu.querySelector("button")).focus();
    onChange();
  }

  function changed(entry) {
    line.place(entry);
    for (const other of shown.entries) if (other !== entry) line.place(other); // a wash-out ends another's tail
    const field = line.box.querySelector(`#${entry.id}-at`);
    if (field && document.activeElement !== field) field.value = entry.at;
    onChange();
  }

  function under(entry, holder) {
    itemForm(holder, entry, scenario, { change: changed, remove, redraw: () => redraw(holder) });
  }

  function redraw(holder) {
    const focused = holder.contains(document.activeElement) ? document.activeElement.id : null;
    draw();
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function draw() {
    line.draw({ ...shown, tick: scenario.tick, open, under });
    mark();
  }

  /** Show what the last check said of each item. */
  function mark() {
    for (const lane of line.box.querySelectorAll(".lane:not(.still)")) {
      const place = shown.entries.findIndex(({ id }) => id === lane.dataset.id);
      const entry = shown.entries[place];
      const faults = found.faults.filter(({ item }) => item === place);
      const support = supportOf(entry);
      lane.classList.toggle("wrong", faults.length > 0);
      const form = lane.querySelector(".form");
      if (form) showFaults(form, faults.map(({ where, sentence }) => ({ key: keyOf(where), sentence })));
      if (form) showSupport(form.querySelector("[data-support]"), support);
      lane.querySelector(".doubt").hidden = !support?.isWeak;
      const told = tellOf(entry, [...shown.inherited, ...shown.entries], shown.duration);
      const more = [...faults.map(({ sentence }) => sentence), ...(support?.isWeak ? [support.sentence] : [])];
      lane.querySelector(".item").setAttribute("aria-label", [told, ...more].join(". "));
    }
  }

  /** Return how far an item's effect is supported by what was measured, in a sentence; null where that says nothing. */
  function supportOf({ item }) {
    if (item.do !== "add") return null;
    const known = found.support.find(({ what }) => what === `${item.substance} ${item.dose}` || what === item.substance);
    if (!known) return null;
    const weak = known.unsupported.map((type) => `${type} (${percent(known.types[type])})`).join(", ");
    const sentence = weak ? t("tissue.support.weak", { types: weak }) : t("tissue.support.all", { n: Object.keys(known.types).length });
    return { sentence, isWeak: weak !== "" };
  }

  return {
    show: (next) => {
      shown = { ...shown, ...next };
      if (!shown.entries.some(({ id }) => id === open)) open = null;
      draw();
    },
    tell: ({ faults, support }) => {
      found = { faults, support };
      const first = open === null ? faults.find(({ item }) => item !== null) : undefined;
      if (first) open = shown.entries[first.item]?.id ?? null; // the field with the fault is to be seen
      if (first) draw();
      else mark();
    },
  };
}

function showSupport(place, support) {
  place.hidden = support === null;
  place.textContent = support?.sentence ?? "";
  place.classList.toggle("beyond", Boolean(support?.isWeak));
}

/** Return the field that a place of a scenario means: "timeline[0].dose" → "dose". */
export function keyOf(where) {
  return /\.([a-z_]+)(?:\[\d+\])?$/.exec(where)?.[1] ?? "";
}
