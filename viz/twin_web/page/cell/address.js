// What is asked, as the address holds it: a reload, a bookmark or another language finds it again.

const together = (items) => items.map(encodeURIComponent).join(";");
const apart = (text) => (text ? text.split(";").map(decodeURIComponent) : []);

/** A question: {start, rows: [{kind, name, dose}], hours, cells, seed}; what the address does not say is the server's choice. */
export function questionOf(query, standard) {
  const start = startOf(query, standard);
  const isAsked = query.has("add") || query.has("out");
  const added = isAsked ? apart(query.get("add")) : standard.perturbations.map(({ name, dose }) => (dose ? `${name}@${dose}` : name));
  const out = isAsked ? apart(query.get("out")) : standard.knockouts;
  return {
    start,
    rows: [
      ...added.map((text) => text.split("@")).map(([name, dose = ""]) => ({ kind: "substance", name, dose })),
      ...out.map((name) => ({ kind: "knockout", name, dose: "" })),
    ],
    hours: number(query.get("hours"), standard.hours),
    cells: number(query.get("cells"), standard.cells),
    seed: number(query.get("seed"), standard.seed),
  };
}

function startOf(query, standard) {
  const read = query.get("context");
  if (query.has("run")) {
    const known = ["trajectory", "compartment", "branch", "replicate"].filter((name) => query.has(name));
    return {
      source: "run", run: query.get("run"), time: number(query.get("time"), 0), cell: query.get("cell") ?? "",
      ...Object.fromEntries(known.map((name) => [name, query.get(name)])),
    };
  }
  if (query.has("upload")) {
    const cell = query.get("cell");
    return { source: "upload", id: query.get("upload"), ...(read ? { context: read } : {}), ...(cell ? { cell } : {}) };
  }
  return { source: "model", context: read ?? standard.context };
}

function number(text, otherwise) {
  const read = Number(text);
  return text !== null && text !== undefined && text !== "" && Number.isFinite(read) ? read : otherwise;
}

/** What of a question goes into the address. */
export function queryOf({ start, rows, hours, cells, seed }) {
  const named = rows.filter(({ name }) => name);
  const added = named.filter(({ kind }) => kind !== "knockout").map(({ name, dose }) => (dose ? `${name}@${dose}` : name));
  const out = named.filter(({ kind }) => kind === "knockout").map(({ name }) => name);
  return { context: start.context, add: together(added), out: together(out), hours, cells, seed };
}

/** What of a question goes to the server. */
export function bodyOf({ start, rows, hours, cells, seed }) {
  const named = rows.filter(({ name }) => name);
  return {
    start, hours, cells, seed,
    perturbations: named.filter(({ kind }) => kind !== "knockout").map(({ name, dose }) => (dose.trim() ? { name, dose: dose.trim() } : { name })),
    knockouts: named.filter(({ kind }) => kind === "knockout").map(({ name }) => name),
  };
}
