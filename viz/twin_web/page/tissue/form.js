// The form of one item of a timeline: a field for all that can be said of it, and what is wrong beside it.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { t } from "../lib/words.js";
import { KINDS, nameOf, split, unitsOf, usualDose } from "./kinds.js";

const PAUSE = 150; // ms after a letter until genes are looked up

/**
 * Fill `holder` with the form of an entry.
 *
 * scenario : what may be chosen. on : {change(), redraw(), remove(entry)}: the entry was changed; other fields are needed now.
 */
export function itemForm(holder, entry, scenario, on) {
  const { item } = entry;
  const kind = KINDS[item.do];
  const change = () => on.change(entry);
  const grid = make(holder, "div", { class: "fields" });
  const put = (key, value) => {
    if (value === undefined || value === "") delete item[key];
    else item[key] = value;
    change();
  };
  const shown = kind.fields.filter(({ of }) => !of || of(item));
  shown.forEach((field, i) => {
    FIELDS[field.as]({ grid, field, entry, item, scenario, put, redraw: () => on.redraw(entry) });
    if (i === 0) hour(grid, "at", entry, scenario, change);
  });
  if (scenario.compartments.length > 1 && item.do !== "dose") {
    const names = scenario.compartments.map(({ name }) => [name, name]);
    select(grid, entry, "compartment", [["", t("tissue.everywhere")], ...names], item.compartment ?? "", (value) => put("compartment", value));
  }
  if (kind.repeats && !entry.when) repeats(grid, entry, scenario, on);
  if (entry.when) make(holder, "p", { class: "hint" }, t("tissue.when", { when: entry.when }));
  make(holder, "p", { class: "fault", dataset: { fault: "" }, hidden: true });
  make(holder, "p", { class: "backing", dataset: { support: "" }, hidden: true });
  const name = nameOf(item);
  make(holder, "button", {
    class: "button danger small", type: "button", "aria-label": t("tissue.remove.of", { name }), dataset: { testid: "remove" },
    click: () => on.remove(entry),
  }, t("tissue.remove"));
}

/** Show at their fields what is wrong with an item: [{key, sentence}]; what belongs to no field stands below them. */
export function showFaults(form, faults) {
  for (const place of form.querySelectorAll("[data-fault]")) {
    const key = place.dataset.fault;
    const known = (name) => form.querySelector(`[data-fault="${CSS.escape(name)}"]`) !== null;
    const mine = faults.filter((fault) => (key ? fault.key === key : !fault.key || !known(fault.key)));
    place.textContent = mine.map(({ sentence }) => sentence).join(" ");
    place.hidden = mine.length === 0;
    place.parentElement.querySelector("input, select")?.setAttribute("aria-invalid", String(key !== "" && mine.length > 0));
  }
}

const FIELDS = {
  substance: ({ grid, field, entry, item, scenario, put, redraw }) => {
    const options = scenario.substances.map(({ name, there }) => [name, there === false ? t("tissue.new_substance", { name }) : name]);
    if (field.all) options.unshift(["", t("tissue.whole_medium")]);
    select(grid, entry, field.key, options, item.substance ?? "", (value) => {
      if (item.do === "add") item.dose = usualDose(scenario.substances.find(({ name }) => name === value)) ?? item.dose;
      put(field.key, value);
      redraw();
    });
  },
  drug: ({ grid, field, entry, item, scenario, put, redraw }) => {
    select(grid, entry, field.key, scenario.drugs.map(({ name }) => [name, name]), item.drug, (value) => {
      put(field.key, value);
      redraw();
    });
  },
  route: ({ grid, field, entry, item, scenario, put, redraw }) => {
    const routes = scenario.drugs.find(({ name }) => name === item.drug)?.routes ?? [item.route];
    select(grid, entry, field.key, routes.map((route) => [route, t(`tissue.route.${route}`)]), item.route, (value) => {
      if (value === "infusion") item.duration ??= "1 h";
      else delete item.duration;
      put(field.key, value);
      redraw();
    });
  },
  type: ({ grid, field, entry, item, scenario, put }) => {
    select(grid, entry, field.key, scenario.cell_types.map((type) => [type, type]), item[field.key], (value) => put(field.key, value));
  },
  quantity: ({ grid, field, entry, item, scenario, put }) => {
    const [number, unit] = split(item[field.key]);
    const units = [...new Set([unit, ...unitsOf(item, scenario)])].filter(Boolean);
    const place = labelled(grid, entry, field.key);
    place.box.classList.add("wide");
    const pair = make(place.box, "div", { class: "pair" });
    const amount = make(pair, "input", { type: "text", inputmode: "decimal", id: place.id, value: number, autocomplete: "off" });
    const choice = make(pair, "select", { "aria-label": t("tissue.unit") });
    for (const one of units) make(choice, "option", { value: one }, one);
    choice.value = unit;
    const told = () => put(field.key, `${amount.value.trim()} ${choice.value}`);
    amount.addEventListener("input", told);
    choice.addEventListener("change", told);
    faultOf(place);
  },
  share: ({ grid, field, entry, item, put }) => {
    const place = labelled(grid, entry, field.key);
    const value = Math.round(1000 * (item[field.key] ?? field.usual)) / 10;
    number(place, { value, min: 0, max: 100, step: "any" }, (share) => {
      put(field.key, typeof share === "number" ? Number((share / 100).toPrecision(6)) : share);
    });
  },
  count: ({ grid, field, entry, item, put }) => {
    number(labelled(grid, entry, field.key), { value: item[field.key], min: 1, step: 1 }, (value) => put(field.key, value));
  },
  words: ({ grid, field, entry, item, put }) => {
    const place = labelled(grid, entry, field.key);
    make(place.box, "input", {
      type: "text", id: place.id, value: item[field.key] ?? "", input: ({ target }) => put(field.key, target.value.trim()),
    });
    faultOf(place);
  },
  gene: ({ grid, field, entry, item, scenario, put }) => {
    const place = labelled(grid, entry, field.key);
    const list = make(place.box, "datalist", { id: `${place.id}-genes` });
    let wait = 0;
    const look = async (start) => {
      const { genes } = await ask(`${scenario.genes_at}?${new URLSearchParams({ q: start, n: 20 })}`);
      clear(list);
      for (const { name, role } of genes) make(list, "option", { value: name }, role ?? "");
    };
    const input = make(place.box, "input", {
      type: "text", id: place.id, value: item.gene ?? "", list: list.id, autocomplete: "off", spellcheck: "false",
      placeholder: t("tissue.gene.like"),
    });
    input.addEventListener("input", () => {
      put(field.key, input.value.trim());
      clearTimeout(wait);
      wait = setTimeout(() => look(input.value.trim()).catch(() => clear(list)), PAUSE); // no names to offer: the check tells why
    });
    faultOf(place);
  },
  types: ({ grid, field, entry, item, scenario, put }) => {
    const box = make(grid, "fieldset", { class: "field wide" });
    make(box, "legend", {}, t("tissue.field.cell_types"));
    const chips = make(box, "div", { class: "chips" });
    const chosen = new Set(item[field.key] ?? []);
    const marks = new Map();
    const show = () => {
      everyone.setAttribute("aria-pressed", String(chosen.size === 0));
      for (const [type, chip] of marks) chip.setAttribute("aria-pressed", String(chosen.has(type)));
      put(field.key, chosen.size ? [...chosen] : undefined);
    };
    const everyone = make(chips, "button", { class: "chip", type: "button", "aria-pressed": String(chosen.size === 0) }, t("tissue.all_types"));
    everyone.addEventListener("click", () => { chosen.clear(); show(); });
    for (const type of scenario.cell_types) {
      const chip = make(chips, "button", { class: "chip", type: "button", "aria-pressed": String(chosen.has(type)) }, type);
      chip.addEventListener("click", () => { if (!chosen.delete(type)) chosen.add(type); show(); });
      marks.set(type, chip);
    }
    make(box, "p", { class: "fault", dataset: { fault: field.key }, hidden: true });
  },
};

function labelled(grid, entry, key) {
  const id = `${entry.id}-${key}`;
  const box = make(grid, "div", { class: "field", dataset: { key } });
  make(box, "label", { for: id }, t(`tissue.field.${key}`));
  return { box, id, key };
}

function faultOf({ box, id, key }) {
  make(box, "p", { class: "fault", id: `${id}-fault`, dataset: { fault: key }, hidden: true });
  box.querySelector(`#${id}`).setAttribute("aria-describedby", `${id}-fault`);
}

function select(grid, entry, key, options, value, onChange) {
  const place = labelled(grid, entry, key);
  const choice = make(place.box, "select", { id: place.id });
  for (const [name, text] of options) make(choice, "option", { value: name }, text);
  choice.value = value;
  choice.addEventListener("change", () => onChange(choice.value));
  faultOf(place);
}

/** A field of a number; what is none goes on as it was typed, so that the server says what is wrong with it. */
export function number(place, { value, min, max, step }, onInput) {
  const input = make(place.box, "input", { type: "number", id: place.id, value: value ?? "", min, max, step });
  input.addEventListener("input", () => onInput(input.value === "" ? "" : Number(input.value)));
  faultOf(place);
  return input;
}

function hour(grid, key, entry, scenario, change) {
  const place = labelled(grid, entry, key);
  number(place, { value: entry[key], min: 0, step: scenario.tick }, (value) => {
    entry[key] = value;
    change();
  });
}

function repeats(grid, entry, scenario, on) {
  const box = make(grid, "div", { class: "field wide" });
  const label = make(box, "label", { class: "tick" });
  const tick = make(label, "input", { type: "checkbox", id: `${entry.id}-repeats`, checked: entry.every !== null });
  label.append(` ${t("tissue.repeat")}`);
  tick.addEventListener("change", () => {
    Object.assign(entry, tick.checked ? { every: Math.max(scenario.tick, 6), until: null } : { every: null, until: null });
    on.change(entry);
    on.redraw(entry);
  });
  if (entry.every === null) return;
  hour(grid, "every", entry, scenario, () => on.change(entry));
  const place = labelled(grid, entry, "until");
  number(place, { value: entry.until, min: 0, step: scenario.tick }, (value) => {
    entry.until = value === "" ? null : value;
    on.change(entry);
  });
}
