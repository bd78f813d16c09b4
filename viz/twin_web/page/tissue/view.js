// The tissue view: a gallery to choose from, the editor of a scenario, or a run.
import { address } from "../lib/place.js";
import { gallery } from "./gallery.js";
import { run } from "./run.js";
import { setup } from "./setup.js";

/** Show what the address names: #/tissue, #/tissue/new/<scenario>, #/tissue/<run>. Returns what takes it down. */
export async function mount(holder, { path, query }) {
  if (path.length === 2 && path[0] === "new") return setup(holder, path[1], query.get("upload"));
  if (path.length === 1) return run(holder, path[0], query);
  if (path.length === 0 && query.has("scenario")) {
    location.replace(address("tissue", ["new", "opened"])); // what `twin serve SCENARIO` was given
    return () => {};
  }
  return gallery(holder);
}
