// Another future of a run, from now on or from an hour that is kept: what is done in it, its name, and its start.
import { ask } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { hours } from "../lib/numbers.js";
import { t } from "../lib/words.js";
import { entry as entryOf, itemsOf } from "./draft.js";
import { itemEditor } from "./items.js";
import { latest } from "./latest.js";

const PAUSE = 250; // ms after a change until it is checked
const GOING = ["running", "paused", "waiting", "preparing"];

/**
 * The editor of a branch in `parent`, closed at first. at: address of the run. onDone(state): of the run that has the
 * branch now, or null where none was made. Returns open({state, detail}) and take().
 */
export function branching(parent, { at, onDone }) {
  const box = make(parent, "section", { class: "branching", id: "branching", hidden: true, "aria-labelledby": "branching-title" });
  let checks = null;

  function open({ state, detail }) {
    clear(box);
    box.hidden = false;
    const isGoing = GOING.includes(state.state);
    const trunk = state.branches[0];
    const kept = trunk.frames.filter((hour) => hour < state.hours);
    const now = state.committed ?? kept[kept.length - 1] ?? 0;
    const draft = { name: freeName(state), at: isGoing ? now : kept[Math.floor(kept.length / 2)] ?? 0, entries: [] };
    make(box, "h3", { id: "branching-title" }, t("tissue.branch"));
    make(box, "p", { class: "hint" }, isGoing ? t("tissue.branch.now", { hour: hours(now) }) : t("tissue.branch.late"));
    const fields = make(box, "div", { class: "fields" });
    const name = field(fields, "branch-name", t("tissue.future.name"));
    make(name, "input", {
      type: "text", id: "branch-name", value: draft.name, maxlength: 40, autocomplete: "off",
      input: ({ target }) => { draft.name = target.value.trim(); changed(); },
    });
    const fork = field(fields, "branch-at", t("tissue.future.at"));
    const choice = make(fork, "select", { id: "branch-at" });
    const choices = [...new Set([...kept, ...(isGoing ? [now] : [])])].sort((a, b) => a - b);
    for (const hour of choices) make(choice, "option", { value: hour }, isGoing && hour === now ? t("tissue.now", { hour: hours(hour) }) : hours(hour));
    choice.value = String(draft.at);
    const past = detail.timeline.map(entryOf);
    const editor = itemEditor(box, { scenario: detail, actions: detail.branch_actions, onChange: changed });
    const draw = () => editor.show({ entries: draft.entries, inherited: past, duration: state.hours, from: draft.at, now: state.hour ?? now });
    choice.addEventListener("change", () => {
      const moved = Number(choice.value) - draft.at;
      draft.at = Number(choice.value);
      for (const one of draft.entries) if (moved > 0 && one.at < draft.at) one.at = draft.at;
      draw();
      changed();
    });
    const fault = make(box, "div", { id: "branch-fault", role: "alert" });
    const row = make(box, "div", { class: "row starting" });
    const start = make(row, "button", { class: "button primary", type: "button", id: "start-branch", disabled: true, click: begin }, t("tissue.branch.start"));
    make(row, "button", { class: "button", type: "button", id: "cancel-branch", click: () => { close(); onDone(null); } }, t("tissue.cancel"));
    draw();
    box.scrollIntoView({ block: "nearest" });
    box.querySelector(".chip.add:not(:disabled)")?.focus();

    const body = (dry) => ({ name: draft.name, at: draft.at, timeline: itemsOf(draft.entries), dry });

    function changed() {
      delete document.body.dataset.checked; // it is true of what is seen, or not there
      start.disabled = true;
      if (draft.entries.length > 0) checks.soon(); // else nothing is asked yet
      else show({ faults: [] });
    }

    checks = latest(async () => { // a run is asked one thing at a time
      const told = await ask(`${at}/branch`, { method: "POST", body: body(true) }).catch(asFault);
      if (!box.hidden) show(told);
    }, PAUSE);

    function show({ faults }) {
      editor.tell({ faults, support: [] });
      clear(fault);
      for (const { sentence } of faults.filter(({ item }) => item === null)) make(fault, "p", { class: "fault" }, sentence);
      start.disabled = faults.length > 0 || draft.entries.length === 0;
      document.body.dataset.checked = faults.length ? "wrong" : "right";
    }

    async function begin() {
      start.disabled = true;
      await checks.settled();
      try {
        const told = await ask(`${at}/branch`, { method: "POST", body: body(false) });
        say(t("tissue.branch.begun", { name: draft.name }));
        close();
        onDone(told);
      } catch (error) {
        show(asFault(error));
      }
    }
  }

  function close() {
    checks?.end();
    box.hidden = true;
    clear(box);
    delete document.body.dataset.checked;
  }

  return { open, take: close };
}

const asFault = ({ message }) => ({ faults: [{ where: "", item: null, sentence: message }] });

function field(fields, id, text) {
  const box = make(fields, "div", { class: "field" });
  make(box, "label", { for: id }, text);
  return box;
}

function freeName({ branches }) {
  const taken = new Set(branches.map(({ name }) => name));
  let n = 1;
  while (taken.has(`future-${n}`)) n += 1;
  return `future-${n}`;
}
