// How far a run is, and what steers it: pause, go on, stop, branch.
import { ask } from "../lib/ask.js";
import { clear, make } from "../lib/dom.js";
import { count, hours, words3 } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";
import { cellsOf, lasting } from "./amounts.js";

const ENDED = ["done", "stopped", "failed"];

/**
 * The steering of a run in `parent`. at: its address; onState(state): what the server answers; onBranch(): the button.
 *
 * Returns show(state) and focus().
 */
export function steering(parent, { at, onState, onBranch }) {
  const box = make(parent, "div", { class: "steer", id: "steer" });
  const head = make(box, "div", { class: "row" });
  const word = make(head, "strong", { class: "chip word", id: "state" });
  const told = make(head, "span", { class: "number", id: "hour" });
  const bar = make(box, "div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("tissue.progress") });
  const fill = make(bar, "i");
  const facts = make(box, "p", { class: "hint number", id: "facts" });
  const fault = make(box, "p", { class: "fault", id: "run-fault", role: "alert", hidden: true });
  const row = make(box, "div", { class: "row" });
  const buttons = {
    pause: button("pause", () => steer("pause")),
    resume: button("resume", () => steer("resume")),
    stop: button("stop", () => steer("stop")),
    branch: button("branch", onBranch),
  };
  buttons.branch.classList.add("primary");
  const links = make(box, "p", { class: "hint links" });
  let shown = null;

  function button(kind, click) {
    return make(row, "button", {
      class: "button", type: "button", id: kind,
      click: async () => {
        try {
          await click();
        } catch (error) {
          tell(error.message);
        }
      },
    }, t(`tissue.do.${kind}`));
  }

  async function steer(what) {
    tell("");
    onState(await ask(`${at}/${what}`, { method: "POST" }));
  }

  function tell(sentence) {
    fault.hidden = sentence === "";
    fault.textContent = sentence;
  }

  function show(state) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    const share = state.hours > 0 ? Math.min(1, state.hour / state.hours) : 0; // its length is not known before it begins
    word.textContent = t(`tissue.state.${state.state}`);
    word.dataset.state = state.state;
    told.textContent = state.hours > 0 ? t("tissue.hour.of", { hour: hours(state.hour), hours: hours(state.hours) }) : "";
    told.dataset.hour = state.hour;
    fill.style.width = `${100 * share}%`;
    bar.setAttribute("aria-valuenow", Math.round(100 * share));
    bar.setAttribute("aria-valuetext", told.textContent);
    facts.textContent = factsOf(state).join(" · ");
    if (state.message) tell(state.message);
    else if (shown?.message) tell("");
    for (const [kind, one] of Object.entries(buttons)) one.hidden = !state.can.includes(kind);
    buttons.branch.textContent = t(ENDED.includes(state.state) ? "tissue.do.branch_late" : "tissue.do.branch");
    if (focused?.hidden) [...row.children].find((one) => !one.hidden)?.focus(); // Pause became Go on: the focus stays here
    if (shown?.state !== state.state) link(state);
    shown = state;
  }

  function link({ run, state }) {
    clear(links);
    if (!ENDED.includes(state)) return;
    make(links, "a", { href: address("runs", [run]) }, t("tissue.to.runs"));
  }

  return { show, focus: () => [...row.children].find((one) => !one.hidden)?.focus() };
}

function factsOf(state) {
  const facts = [];
  if (Number.isFinite(state.cells)) facts.push(cellsOf(state.cells));
  if (state.state === "waiting") facts.push(t("tissue.place", { n: count((state.place ?? 0) + 1) }));
  if (state.state === "running" && state.ticks_per_second) facts.push(t("tissue.rate", { n: words3(state.ticks_per_second) }));
  if (state.state === "running" && Number.isFinite(state.seconds_left)) facts.push(t("tissue.left", { time: lasting(state.seconds_left) }));
  if (state.branching) facts.push(t("tissue.branching"));
  return facts;
}
