// What is asked, as the address holds it: a reload, a bookmark or another language finds it again.
import { language } from "../lib/words.js";

const plain = (text) => text.replace(/[%;@]/g, encodeURIComponent); // the signs that part names from doses
const together = (items) => items.map((item) => item.filter(Boolean).map(plain).join("@")).join(";");
const apart = (text) => (text ? text.split(";").map((item) => item.split("@").map(decodeURIComponent)) : []);

/** A question: {start, rows: [{kind, name, dose}], hours, cells, seed}; what the address does not say is the server's choice. */
export function questionOf(query, standard) {
  const start = startOf(query, standard);
  const isAsked = query.has("add") || query.has("out");
  const added = isAsked ? apart(query.get("add")) : standard.perturbations.map(({ name, dose }) => [name, dose ?? ""]);
  const out = isAsked ? apart(query.get("out")) : standard.knockouts.map((name) => [name]);
  return {
    start,
    rows: [
      ...added.map(([name, dose = ""]) => ({ kind: "substance", name, dose })),
      ...out.map(([name]) => ({ kind: "knockout", name, dose: "" })),
    ],
    hours: number(query.get("hours"), standard.hours),
    cells: number(query.get("cells"), standard.cells),
    seed: number(query.get("seed"), standard.seed),
  };
}

function startOf(query, standard) {
  const told = (names) => Object.fromEntries(names.filter((name) => query.has(name)).map((name) => [name, query.get(name)]));
  if (query.has("run")) {
    const start = { source: "run", run: query.get("run"), time: number(query.get("time"), 0), cell: query.get("cell") ?? "", ...told(["branch", "compartment"]) };
    if (query.has("replicate")) start.replicate = number(query.get("replicate"), 0);
    if (query.has("point")) start.point = JSON.parse(query.get("point"));
    return start;
  }
  if (query.has("upload")) return { source: "upload", id: query.get("upload"), ...told(["context", "cell", "type"]) };
  return { source: "model", context: query.get("context") ?? standard.context };
}

function number(text, otherwise) {
  const read = Number(text);
  return text !== null && text !== undefined && text !== "" && Number.isFinite(read) ? read : otherwise;
}

/** What of a question goes into the address. */
export function queryOf({ start, rows, hours, cells, seed }) {
  const named = rows.filter(({ name }) => name);
  const added = named.filter(({ kind }) => kind !== "knockout").map(({ name, dose }) => [name, dose]);
  const out = named.filter(({ kind }) => kind === "knockout").map(({ name }) => [name]);
  return { context: start.context, type: start.type, add: together(added), out: together(out), hours, cells, seed };
}

/** What of a question goes to the server, and in which language it is to answer. */
export function bodyOf({ start, rows, hours, cells, seed }) {
  const named = rows.filter(({ name }) => name);
  return {
    start, hours, cells, seed, language: language(),
    perturbations: named.filter(({ kind }) => kind !== "knockout").map(({ name, dose }) => (dose.trim() ? { name, dose: dose.trim() } : { name })),
    knockouts: named.filter(({ kind }) => kind === "knockout").map(({ name }) => name),
  };
}
