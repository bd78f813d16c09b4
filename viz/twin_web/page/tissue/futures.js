// The futures that are planned: the trunk, and what forks from it; one at a time is edited.
import { clear, make, say } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { number } from "./form.js";

const MOST = 4; // futures side by side, as many as the viewer shows

/**
 * A strip of futures in `parent`, and the name and hour of the one that is chosen.
 *
 * draft : of the editor; its `futures` are changed. onChoose(i) : another one is to be shown. onChange() : one was changed.
 * A scenario that has branches or a sweep of its own keeps them as they are. Returns show(i).
 */
export function futures(parent, { draft, scenario, onChoose, onChange }) {
  const own = [...scenario.branches.map(({ name, at }) => t("tissue.future.own", { name, at: hours(at ?? 0) })), ...(scenario.sweep ?? [])];
  if (own.length > 0) {
    make(parent, "p", { class: "hint", id: "own-futures" }, t("tissue.future.has", { futures: own.join(", ") }));
    return { show: () => {} };
  }
  const strip = make(parent, "div", { class: "futures", role: "group", "aria-label": t("tissue.futures") });
  const form = make(parent, "div", { class: "fields future" });

  function show(chosen) {
    clear(strip);
    draft.futures.forEach(({ name }, i) => {
      make(strip, "button", {
        class: "chip", type: "button", "aria-pressed": String(i === chosen), dataset: { future: name }, click: () => onChoose(i),
      }, i === 0 ? t("tissue.trunk") : name);
    });
    const more = make(strip, "button", { class: "chip add", type: "button", id: "add-future", click: add, disabled: draft.futures.length >= MOST });
    make(more, "i");
    more.append(t("tissue.future.add"));
    if (form.dataset.of !== String(chosen)) fill(chosen);
  }

  function add() {
    const taken = new Set(draft.futures.map(({ name }) => name));
    let n = 1;
    while (taken.has(`future-${n}`)) n += 1;
    draft.futures.push({ name: `future-${n}`, at: 0, entries: [] });
    onChange();
    onChoose(draft.futures.length - 1);
    form.querySelector("input")?.select();
  }

  function fill(chosen) {
    clear(form);
    form.dataset.of = String(chosen);
    form.hidden = chosen === 0;
    if (chosen === 0) return;
    const future = draft.futures[chosen];
    const name = make(form, "div", { class: "field" });
    make(name, "label", { for: "future-name" }, t("tissue.future.name"));
    make(name, "input", {
      type: "text", id: "future-name", value: future.name, maxlength: 40, autocomplete: "off",
      input: ({ target }) => {
        future.name = target.value.trim();
        strip.children[chosen].textContent = future.name;
        onChange();
      },
    });
    const fork = make(form, "div", { class: "field" });
    make(fork, "label", { for: "future-at" }, t("tissue.future.at"));
    number({ box: fork, id: "future-at", key: "at" }, { value: future.at, min: 0, step: scenario.tick }, (value) => {
      future.at = value;
      onChange();
    });
    make(form, "button", {
      class: "button danger small", type: "button", id: "drop-future",
      click: () => {
        draft.futures.splice(chosen, 1);
        say(t("tissue.removed", { name: future.name }));
        form.dataset.of = "";
        onChange();
        onChoose(0);
      },
    }, t("tissue.future.drop"));
  }

  return { show };
}
