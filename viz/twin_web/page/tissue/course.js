// What is done in a run and when: a timeline a future, with a mark at the hour that it has reached.
import { clear, make } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { cellsOf, futureOf } from "./amounts.js";
import { entry } from "./draft.js";
import { lanes } from "./lanes.js";

/** The timelines of a run's futures in `parent`. Returns show(state) and hide(isHidden). */
export function course(parent) {
  const box = make(parent, "div", { class: "course", id: "course" });
  let drawn = null, parts = [];

  function show(state) {
    const key = JSON.stringify([state.timeline, state.branches.map(({ name, timeline }) => [name, timeline]), state.hours]);
    if (key !== drawn && state.hours !== null) draw(state);
    drawn = key;
    for (const { branch, told, line, entries } of parts) {
      const now = state.branches.find(({ name }) => name === branch);
      const hour = Math.max(now.hour, now.fork);
      told.textContent = [hours(hour), ...(Number.isFinite(now.cells) ? [cellsOf(now.cells)] : [])].join(" · ");
      told.dataset.hour = hour;
      line.draw({ entries: [], inherited: entries, duration: state.hours, tick: state.tick, now: hour });
    }
  }

  function draw(state) {
    clear(box);
    parts = state.branches.map(({ name, fork, timeline }) => {
      const part = make(box, "div", { class: "history", dataset: { branch: name } });
      const head = make(part, "div", { class: "row" });
      const called = futureOf(name);
      make(head, "h3", {}, fork > 0 ? t("tissue.future.own", { name: called, at: hours(fork) }) : called);
      const told = make(head, "span", { class: "hint number" });
      return { branch: name, told, line: lanes(part), entries: [...state.timeline, ...timeline].map(entry) };
    });
  }

  return { show, hide: (isHidden) => { box.hidden = isHidden; } };
}
