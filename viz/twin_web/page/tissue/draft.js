// What is to be done to a tissue, as it stands in the editor; kept while the browser's tab is open.

let last = 0;

/** Return an entry of a timeline as the server tells it, with a number of its own. */
export function entry({ item, at, every = null, until = null, when = null, fixed = false }) {
  return { id: `item-${++last}`, item: { ...item }, at, every, until, when, fixed };
}

/** Return what is kept of a scenario's editor, or what the scenario itself says. */
export function draftOf(scenario, upload) {
  return keptDraft(scenario.id, upload) ?? fresh(scenario);
}

/** Return a scenario as it is written. */
export function fresh(scenario) {
  return {
    hours: scenario.duration.hours, cells: scenario.cell_count.value, replicates: scenario.replicates.value,
    seed: scenario.seed, name: "", futures: [{ name: "trunk", at: 0, entries: scenario.timeline.map(entry) }],
  };
}

/** Keep an editor's state for a reload or another language. */
export function keepDraft(id, upload, draft) {
  try {
    sessionStorage.setItem(key(id, upload), JSON.stringify(draft));
  } catch {
    // A browser that keeps nothing loses it when the page is left.
  }
}

/** Forget what is kept. */
export function dropDraft(id, upload) {
  try {
    sessionStorage.removeItem(key(id, upload));
  } catch {
    // There was nothing to forget.
  }
}

const key = (id, upload) => `twin.draft.${id}.${upload ?? ""}`;

function keptDraft(id, upload) {
  try {
    const draft = JSON.parse(sessionStorage.getItem(key(id, upload)));
    if (!draft) return null;
    return { ...draft, futures: draft.futures.map((one) => ({ ...one, entries: one.entries.map(entry) })) };
  } catch {
    return null;
  }
}

/** Return entries as the server takes them; times are hours, and what is no number goes as it was typed. */
export function itemsOf(entries) {
  return entries.map(({ item, at, every, until }) => {
    const given = { ...item };
    for (const [name, value] of Object.entries({ at, every, until })) {
      delete given[name];
      if (value !== null && value !== "") given[name] = value;
    }
    return given;
  });
}

/** Return the body of a check or a start. */
export function bodyOf(scenario, draft, upload) {
  const [trunk, ...others] = draft.futures;
  const body = {
    timeline: itemsOf(trunk.entries), duration: withUnit(draft.hours), replicates: draft.replicates, seed: draft.seed,
  };
  if (scenario.cell_count.scales) body.cells = draft.cells;
  if (others.length > 0) {
    body.branches = Object.fromEntries(others.map(({ name, at, entries }) => [name, { at: withUnit(at), timeline: itemsOf(entries) }]));
  }
  if (upload) body.upload = { id: upload };
  return body;
}

const withUnit = (value) => (typeof value === "number" ? `${value} h` : value);
