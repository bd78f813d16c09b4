// The timeline: hours from left to right, a lane an item; items are dragged, or moved by the arrow keys.
import { clear, make, say } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { endOf, nameOf, tellOf, timesOf } from "./kinds.js";
import { hourTicks } from "./ticks.js";

const MANY = 10; // ticks that Page Up and Page Down move; our choice
const FLIP = 0.5; // of the width: from here on a name stands left of its mark

/**
 * A timeline in `parent`.
 *
 * on : {move(entry, hour), pick(entry), remove(entry)}; without it the timeline is only shown.
 * Returns draw({entries, inherited, duration, tick, from, now, open, under}): entries: that can be moved, inherited: that
 * cannot; from: hour before which nothing may be moved; now: hour of a running simulation, or null; open: id of the one
 * whose form is shown, under(entry, lane): fills in that form; and place(entry): shows an entry that was changed.
 */
export function lanes(parent, on = null) {
  const box = make(parent, "div", { class: "timeline" });
  const axis = make(box, "div", { class: "axis", "aria-hidden": "true" });
  const list = make(box, "ol", { class: "lanes", "aria-label": t("tissue.timeline") });
  let shown = { entries: [], inherited: [], duration: 1, tick: 1, from: 0, now: null, open: null };
  const all = () => [...shown.inherited, ...shown.entries];
  const at = (hour) => `${(100 * Math.max(0, Math.min(shown.duration, hour))) / shown.duration}%`;

  function draw(next) {
    shown = { ...shown, ...next };
    const focused = list.contains(document.activeElement) ? document.activeElement.closest("[data-id]")?.dataset.id : null;
    drawAxis();
    clear(list);
    for (const entry of shown.inherited) row(entry, true);
    for (const entry of shown.entries) row(entry, false);
    if (shown.inherited.length + shown.entries.length === 0) make(list, "li", { class: "hint none" }, t("tissue.timeline.empty"));
    if (focused) list.querySelector(`[data-id="${focused}"] .item`)?.focus({ preventScroll: true });
  }

  function drawAxis() {
    clear(axis);
    const ticks = hourTicks(0, shown.duration, 6);
    for (const hour of ticks) make(axis, "span", { style: { left: at(hour) } }, hour === ticks[ticks.length - 1] ? hours(hour) : String(hour));
    if (shown.now !== null) make(axis, "i", { class: "now", style: { left: at(shown.now) } });
  }

  function row(entry, isInherited) {
    const lane = make(list, "li", { class: "lane", dataset: { id: entry.id, do: entry.item.do } });
    const track = make(lane, "div", { class: "track" });
    for (const hour of hourTicks(0, shown.duration, 6)) make(track, "i", { class: "rule", style: { left: at(hour) } });
    if (shown.now !== null) make(track, "i", { class: "now", style: { left: at(shown.now) } });
    make(track, "i", { class: "tail" });
    make(track, "span", { class: "dots" });
    const isStill = on === null || isInherited || entry.fixed;
    const item = make(track, isStill ? "div" : "button", { class: "item", type: isStill ? undefined : "button" });
    make(item, "i", { class: "dot" });
    make(item, "b");
    make(item, "em");
    make(item, "span", { class: "doubt", hidden: true }, "?");
    lane.classList.toggle("still", isStill);
    place(entry);
    if (isStill) return;
    hold(item, track, entry);
    if (shown.open !== entry.id) return;
    lane.classList.add("open");
    shown.under(entry, make(lane, "div", { class: "form", id: `form-${entry.id}` }));
  }

  /** Show where and what an entry is now. */
  function place(entry) {
    const lane = list.querySelector(`[data-id="${entry.id}"]`);
    const item = lane.querySelector(".item");
    const [hour, told] = [Number(entry.at) || 0, tellOf(entry, all(), shown.duration)];
    item.style.left = at(hour);
    item.querySelector("b").textContent = nameOf(entry.item);
    item.querySelector("em").textContent = entry.when ? t("tissue.when", { when: entry.when }) : hours(hour);
    lane.classList.toggle("flip", hour / shown.duration > FLIP);
    lane.classList.toggle("waits", Boolean(entry.when));
    const width = hour / shown.duration;
    item.style.maxWidth = width > FLIP ? `calc(${100 * width}% + 8px)` : `calc(${100 * (1 - width)}% + 8px)`;
    if (item.tagName === "BUTTON") {
      item.setAttribute("aria-label", told);
      item.setAttribute("aria-expanded", String(shown.open === entry.id));
      item.title = told;
    } else item.title = told;
    const tail = lane.querySelector(".tail");
    const end = entry.when ? shown.duration : endOf(entry, all(), shown.duration);
    tail.hidden = end === null;
    if (end !== null) Object.assign(tail.style, { left: at(hour), right: `calc(100% - ${at(end)})` });
    const dots = lane.querySelector(".dots");
    clear(dots);
    for (const time of timesOf(entry, shown.duration).slice(1)) make(dots, "i", { style: { left: at(time) } });
  }

  const whole = (hour) => {
    const least = Math.ceil(shown.from / shown.tick - 1e-9) * shown.tick;
    const most = shown.duration - shown.tick;
    return Number(Math.max(least, Math.min(most, Math.round(hour / shown.tick) * shown.tick)).toPrecision(10));
  };

  /** Let a mark be dragged, and moved by keys. */
  function hold(item, track, entry) {
    let began = null, dragged = false;
    item.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      began = { x: event.clientX, at: Number(entry.at) || 0, moved: false };
      item.setPointerCapture(event.pointerId);
    });
    item.addEventListener("pointermove", (event) => {
      if (began === null || Math.abs(event.clientX - began.x) < 3 && !began.moved) return;
      began.moved = true;
      entry.at = whole(began.at + ((event.clientX - began.x) / track.clientWidth) * shown.duration);
      place(entry);
    });
    item.addEventListener("pointerup", () => {
      const moved = began?.moved;
      began = null;
      if (!moved) return;
      dragged = true;
      setTimeout(() => { // after the click that ends a drag
        dragged = false;
        on.move(entry, entry.at);
      });
    });
    item.addEventListener("pointercancel", () => { began = null; });
    item.addEventListener("click", () => dragged || on.pick(entry));
    item.addEventListener("keydown", (event) => {
      if (event.key === "Delete" || event.key === "Backspace") return on.remove(entry);
      const now = Number(entry.at) || 0;
      const to = {
        ArrowLeft: now - shown.tick, ArrowRight: now + shown.tick, PageDown: now - MANY * shown.tick,
        PageUp: now + MANY * shown.tick, Home: shown.from, End: shown.duration,
      }[event.key];
      if (to === undefined) return undefined;
      event.preventDefault();
      entry.at = whole(to);
      place(entry);
      say(tellOf(entry, all(), shown.duration));
      return on.move(entry, entry.at);
    });
  }

  return { box, draw, place };
}
