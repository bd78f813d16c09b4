// Questions to begin with, as far as the model of now can answer them.

const WISHES = [
  { id: "ifnb", text: "IFN-β 100 U/mL", add: [["IFNB1", "100 U/mL"]], out: [], among: ["CD14 Mono", "CD4 T", "CD4 Naive T"] },
  { id: "lps", text: "LPS", add: [["LPS", ""]], out: [] },
  { id: "panobinostat", text: "panobinostat 200 nM", add: [["panobinostat", "200 nM"]], out: [] },
  { id: "stat1", text: "STAT1 − + IFN-β", add: [["IFNB1", "100 U/mL"]], out: ["STAT1"], among: ["CD14 Mono"] },
];

/** [{id, text, context, rows}], each in the context in which it was measured on most cells. */
export function presetsOf(catalogue) {
  const known = new Map(catalogue.perturbations.map((one) => [one.name.toLowerCase(), one]));
  const contexts = new Set(catalogue.contexts.map(({ name }) => name));
  return WISHES.flatMap(({ id, text, add, out, among = [] }) => {
    const found = add.map(([name]) => known.get(name.toLowerCase()));
    if (found.includes(undefined)) return [];
    const most = Object.entries(found[0].measured).sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const context = [...among, ...most].find((name) => contexts.has(name));
    if (!context) return [];
    const rows = [
      ...found.map(({ name, kind, dosed }, i) => ({ kind: kind === "drug" ? "drug" : "cytokine", name, dose: dosed ? add[i][1] : "" })),
      ...out.map((name) => ({ kind: "knockout", name, dose: "" })),
    ];
    return [{ id, text, context, rows }];
  });
}
