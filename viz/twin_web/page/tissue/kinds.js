// What can be done to a tissue: the kinds of items of a timeline, what each asks for, and how it is called.
import { count, hours, percent } from "../lib/numbers.js";
import { t } from "../lib/words.js";

/**
 * Of each kind: its fields in their order, {key, as}, and a new item for a scenario.
 *
 * as: how it is written. quantity: a number and its unit; share: per cent; types: some cell types, or all.
 */
export const KINDS = {
  add: {
    fields: [{ key: "substance", as: "substance" }, { key: "dose", as: "quantity" }],
    repeats: true,
    begin: (scenario) => {
      const substance = scenario.substances.find(({ known, there }) => known && there) ?? scenario.substances[0];
      return { substance: substance?.name ?? "", dose: usualDose(substance) };
    },
  },
  wash_out: { fields: [{ key: "substance", as: "substance", all: true }], repeats: true, begin: () => ({}) },
  knock_out: {
    fields: [{ key: "gene", as: "gene" }, { key: "fraction", as: "share", usual: 1 }, { key: "residual", as: "share", usual: 0 },
      { key: "cell_types", as: "types" }],
    begin: () => ({ gene: "" }),
  },
  dose: {
    fields: [{ key: "drug", as: "drug" }, { key: "amount", as: "quantity" }, { key: "route", as: "route" },
      { key: "duration", as: "words", of: ({ route }) => route === "infusion" }],
    repeats: true,
    begin: ({ drugs: [drug] }) => ({ drug: drug?.name ?? "", amount: `1 ${drug?.units[0] ?? "mg"}`, route: drug?.routes[0] ?? "oral" }),
  },
  inject: {
    fields: [{ key: "cell_type", as: "type" }, { key: "count", as: "count" }],
    repeats: true,
    begin: ({ cell_types: [type] }) => ({ cell_type: type ?? "", count: 50 }),
  },
  remove: {
    fields: [{ key: "fraction", as: "share", usual: 1 }, { key: "cell_types", as: "types" }],
    repeats: true,
    begin: ({ cell_types: [type] }) => ({ cell_types: type ? [type] : [] }),
  },
};

/** Return the dose that one begins with: that which the model was trained on, else one of the first unit. */
export function usualDose(substance) {
  return substance?.known?.trained ?? `1 ${substance?.units[0] ?? "nM"}`;
}

/** Return the units that a quantity of an item may have. */
export function unitsOf(item, scenario) {
  const table = item.do === "dose" ? scenario.drugs : scenario.substances;
  const name = item.do === "dose" ? item.drug : item.substance;
  return table.find((one) => one.name === name)?.units ?? [];
}

/** Return [number, unit] of a quantity as it is written: "100 U/mL" → ["100", "U/mL"]. */
export function split(quantity = "") {
  const [, number, unit] = /^\s*([-+\d.eE]*)\s*(.*)$/.exec(String(quantity));
  return [number, unit.trim()];
}

/** Return how an item is called: "IFNB1 100 U/mL". */
export function nameOf(item) {
  const types = (item.cell_types ?? []).join(", ") || t("tissue.every");
  const whole = (item.fraction ?? 1) >= 1;
  switch (item.do) {
    case "add": return t("tissue.name.add", { substance: item.substance, dose: item.dose });
    case "wash_out": return item.substance ? t("tissue.name.wash", { substance: item.substance }) : t("tissue.name.wash_all");
    case "knock_out": {
      const key = item.residual > 0 ? "tissue.name.down" : "tissue.name.out";
      const named = t(key, { gene: item.gene || "?", residual: percent(item.residual ?? 0) });
      if (whole && !item.cell_types?.length) return named;
      return t("tissue.name.among", { named, share: percent(item.fraction ?? 1), types });
    }
    case "dose": return t("tissue.name.dose", { drug: item.drug, amount: item.amount, route: t(`tissue.route.${item.route}`) });
    case "inject": return t("tissue.name.inject", { n: count(Number(item.count) || 0), type: item.cell_type });
    case "remove": return t("tissue.name.remove", { share: percent(item.fraction ?? 1), types });
    case "assimilate": return t("tissue.name.assimilate", { file: item.file });
    default: return item.do;
  }
}

/** Return until when an item shows in the medium or the cells (h), or null where it is over at once. */
export function endOf(entry, entries, duration) {
  const { item, at } = entry;
  if (item.do === "knock_out") return duration;
  if (item.do !== "add") return null;
  const washes = entries.filter((one) => one.item.do === "wash_out" && one.at > at && !one.when
    && (!one.item.substance || one.item.substance === item.substance));
  return Math.min(duration, ...washes.map((one) => one.at));
}

/** Return the hours at which an item happens: one, or every so often. */
export function timesOf({ at, every, until }, duration) {
  if (!(every > 0)) return [at];
  const last = Math.min(duration, until ?? duration);
  const n = Math.min(200, Math.floor((last - at) / every + 1e-9));
  return Array.from({ length: Math.max(1, n + 1) }, (_, k) => at + k * every);
}

/** Return an item in words with its times: what a screen reader says of it. */
export function tellOf(entry, entries, duration) {
  const name = nameOf(entry.item);
  if (entry.when) return t("tissue.tell.when", { name, when: entry.when });
  const end = entry.every > 0 ? Math.min(duration, entry.until ?? duration) : endOf(entry, entries, duration);
  const key = entry.every > 0 ? "tissue.tell.every" : end === null ? "tissue.tell.at" : "tissue.tell.span";
  return t(key, { name, at: hours(Number(entry.at) || 0), end: hours(end ?? 0), every: hours(entry.every ?? 0) });
}
