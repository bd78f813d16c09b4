// What there is to begin with: the scenarios of the gallery, and the user's own cells.
import { ask } from "../lib/ask.js";
import { make, state } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";
import { cellsOf } from "./amounts.js";
import { ownCells } from "./own.js";

/** Show the gallery; the scenario that the server opened, or the demo, stands first. Returns what takes it down. */
export async function gallery(holder) {
  const end = new AbortController();
  const root = make(holder, "div", { class: "gallery" });
  make(root, "h1", {}, t("tissue.choose"));
  make(root, "p", { class: "hint" }, t("tissue.choose.how"));
  const list = make(root, "ul", { class: "cards", id: "scenarios" });
  const [{ scenarios, chosen }, { uploads }] = await Promise.all([
    ask("/api/scenarios", { signal: end.signal }), ask("/api/uploads", { signal: end.signal }),
  ]);
  for (const scenario of scenarios.filter(({ id }) => id === chosen)) card(list, scenario);
  ownCells(list, uploads, end.signal);
  for (const scenario of scenarios.filter(({ id }) => id !== chosen)) card(list, scenario);
  state("ready");
  return () => end.abort();
}

function card(list, scenario) {
  const { id, name, description, picture, cells, hours: long, needs } = scenario;
  const item = make(list, "li", { class: "card", dataset: { scenario: id } });
  const box = needs ? make(item, "div", { class: "inside barred" }) : make(item, "a", { class: "inside", href: address("tissue", ["new", id]) });
  const frame = make(box, "div", { class: "picture" });
  if (picture) make(frame, "img", { src: picture, alt: "", loading: "lazy" });
  else make(frame, "img", { src: "/page/mark.svg", alt: "", class: "none" });
  make(box, "h2", {}, name.replaceAll(/[-_]/g, " "));
  if (scenario.from !== "shipped") make(box, "span", { class: "chip" }, t(`tissue.from.${scenario.from}`));
  make(box, "p", {}, description);
  make(box, "p", { class: "facts number" }, `${cellsOf(cells)} · ${hours(long)}`);
  if (needs) make(box, "p", { class: "hint" }, needs);
}
