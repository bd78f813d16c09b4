// A run, going or over: before | what happens, how far it is | after, with its futures side by side.
import { ask, follow } from "../lib/ask.js";
import { make, say, state as pageState } from "../lib/dom.js";
import { go } from "../lib/place.js";
import { t } from "../lib/words.js";
import { before, colorsOf } from "./before.js";
import { branching } from "./branching.js";
import { course } from "./course.js";
import { pickedOf } from "./picked.js";
import { readouts } from "./readouts.js";
import { steering } from "./steer.js";
import { viewer } from "./viewer.js";

const SEEN = { waiting: "running", preparing: "running", running: "running", paused: "ready", stopping: "running", stopped: "ready", failed: "failed", done: "done" };

/** Show a run. query: time and color to begin with. Returns what takes it down. */
export async function run(holder, name, query) {
  const end = new AbortController();
  const { signal } = end;
  const at = `/api/runs/${encodeURIComponent(name)}`;
  let state = await ask(`${at}/state`, { signal });
  const root = make(holder, "div", { class: "three tissue" });
  const left = before(root, {
    camera: (camera) => after.tell({ camera }),
    ready: () => color && left.view.tell({ color }),
  });
  left.wait(t("tissue.before.waiting"));

  const middle = make(root, "section", { class: "panel happens", "aria-labelledby": "happens-title" });
  make(middle, "h2", { id: "happens-title" }, t("tissue.happens"));
  make(middle, "p", { class: "about" }, state.name);
  const steer = steering(middle, { at, onState: show, onBranch: openBranch });
  const histories = course(middle);
  const fork = branching(middle, { at, onDone: closeBranch });

  const right = make(root, "section", { class: "panel after", "aria-labelledby": "after-title" });
  make(right, "h2", { id: "after-title" }, t("tissue.after"));
  const stage = make(right, "div", { class: "stage" });
  const waits = make(stage, "p", { class: "wait", role: "status" }, t("tissue.after.waiting"));
  const picked = pickedOf(right);
  const after = viewer(stage, {
    id: "after", title: t("tissue.after.picture"), ask: null,
    on: {
      camera: (camera) => left.view.tell({ camera }),
      picked: (cell) => picked.show(cell),
      opened: (cell) => go("cell", [], picked.query(cell)),
      hour: (hour, { measured }) => charts.move(hour, measured),
      color: (chosen) => {
        color = chosen;
        left.view.tell({ color }); // before and after are seen in the same colours
        charts.choose(color);
      },
      fault: (sentence) => say(sentence),
    },
  });
  const charts = readouts(right, { at, signal, onTime: (hour) => after.tell({ hour }) });

  let news = "", isHeld = false, color = query.get("color");
  charts.choose(color);

  /** Show the state of now, whole. */
  function show(next) {
    const past = state;
    state = next;
    document.body.dataset.run = state.state;
    pageState(SEEN[state.state]);
    steer.show(state);
    histories.show(state);
    if (past.state !== state.state) say(t(`tissue.state.${state.state}`));
    const fresh = `${state.frames} ${state.state}`;
    if (fresh === news) return;
    news = fresh;
    if (state.frames === 0) return;
    if (begun) after.tell({ refresh: true });
    else begin();
    charts.refresh(state.branches.map((branch) => branch.name));
  }

  let begun = false;
  /** Show the tissue, once there is something to see. */
  async function begin() {
    if (begun) return;
    begun = true;
    try {
      waits.remove();
      after.open({ run: name, ...given(query, { hour: "time", color: "color" }) });
      const scene = await ask(`${at}/scene`, { signal });
      left.show({ run: name, futures: scene.all[0].id });
      const colors = colorsOf(scene);
      const types = state.types ?? [];
      left.count({ cells: types.reduce((sum, { n }) => sum + n, 0), types, colors });
      charts.dye(colors);
    } catch (error) {
      begun = false;
      refuse(error);
    }
  }

  function refuse(error) {
    if (!signal.aborted) left.fault(error.message);
  }

  async function openBranch() {
    isHeld = state.can.includes("pause");
    if (isHeld) show(await ask(`${at}/pause`, { method: "POST" }));
    const told = await ask(`${at}/scenario`, { signal });
    const detail = { ...told, genes_at: `/api/scenarios/${encodeURIComponent(told.id)}/genes` };
    histories.hide(true); // the editor shows what is done so far
    fork.open({ state, detail });
  }

  /** The editor of a branch was closed: the run goes on if it did before. */
  async function closeBranch(next) {
    histories.hide(false);
    if (next) show(next);
    else if (isHeld && state.can.includes("resume")) show(await ask(`${at}/resume`, { method: "POST" }));
    isHeld = false;
    steer.focus();
  }

  show(state);
  const stop = follow(`${at}/events`, (event) => {
    if (event.kind === "run") show(event);
    else if (event.kind === "failed") refuse(new Error(event.error));
  });
  document.title = t("tissue.title.run", { name });
  return () => {
    // who leaves while a future is being planned has not asked for the run to stand still
    if (isHeld && state.state === "paused") ask(`${at}/resume`, { method: "POST" }).catch(() => {});
    end.abort();
    stop();
    left.take();
    after.take();
    fork.take();
    delete document.body.dataset.run;
  };
}

function given(query, names) {
  const found = {};
  for (const [key, name] of Object.entries(names)) if (query.has(name)) found[key] = query.get(name);
  return found;
}
