// Where one is: "#/tissue/<run>?time=24" names the view, what it shows, and how.

/** Return {view, path: [...], query: Map} of the address bar; view is "" at the door. */
export function place() {
  const [way, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...path] = way.split("/").map(decoded);
  return { view, path: path.filter(Boolean), query: new Map(new URLSearchParams(search)) };
}

/** Return the address of a view: address("tissue", ["my run"], {time: 24}). */
export function address(view, path = [], query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null));
  const way = [view, ...path.map(encodeURIComponent)].join("/");
  return `#/${way}${search.size ? `?${search}` : ""}`;
}

/** Write into the address what a reload is to find again, the job that runs for instance; the view stays as it is. */
export function note(query) {
  const here = place();
  const all = { ...Object.fromEntries(here.query), ...query };
  history.replaceState(history.state, "", address(here.view, here.path, all));
}

/** Go to another view, or to the same with something else in it. */
export function go(view, path = [], query = {}) {
  location.hash = address(view, path, query);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone per cent sign
  }
}
