// The table of runs: sorted by any column, kept up to date row by row, so that focus and choice stay where they are.
import { ask } from "../lib/ask.js";
import { clear, make, say } from "../lib/dom.js";
import { keep, kept } from "../lib/kept.js";
import { count, hours, percent } from "../lib/numbers.js";
import { address } from "../lib/place.js";
import { t } from "../lib/words.js";
import { details } from "./details.js";
import { really } from "./dialog.js";
import { bytes, moment, when } from "./sizes.js";

const COLUMNS = [
  { name: "name", by: (row) => (row.title || row.name).toLowerCase() },
  { name: "state", by: (row) => row.state + String(row.progress) },
  { name: "cells", by: (row) => row.cells ?? -1, right: true },
  { name: "hours", by: (row) => row.hours, right: true },
  { name: "futures", by: (row) => row.trajectories, right: true, extra: true },
  { name: "size", by: (row) => row.size, right: true, extra: true },
  { name: "changed", by: (row) => row.changed, right: true },
];
const MOST = 2; // that are compared

/** Make the table; `chosen(names)` hears which are ticked, `write(row)` that files of one are wanted. */
export function tableOf(parent, { chosen, write, changed, signal }) {
  const empty = make(parent, "div", { class: "plain teach", id: "no-runs", hidden: true });
  const holder = make(parent, "div", { class: "scroll" });
  const table = make(holder, "table", { class: "table runs-table", id: "runs-table", "aria-labelledby": "runs-title" });
  const head = make(make(table, "thead"), "tr");
  const body = make(table, "tbody", { id: "runs-rows" });
  const rows = new Map(); // name → what is shown of it
  const ticked = [];
  let [column, down] = (kept("runs.sort") ?? "changed down").split(" ");
  if (!COLUMNS.some(({ name }) => name === column)) [column, down] = ["changed", "down"];

  make(make(head, "th", { class: "tick", scope: "col" }), "span", { class: "unseen" }, t("runs.compare"));
  const heads = COLUMNS.map(({ name, right, extra }) => {
    const cell = make(head, "th", { scope: "col", class: [right ? "right" : "", extra ? "extra" : ""].join(" ").trim() });
    make(cell, "button", { type: "button", class: "sort", id: `sort-${name}`, click: () => sortBy(name) }, t(`runs.${name}`));
    return cell;
  });
  make(make(head, "th", { scope: "col" }), "span", { class: "unseen" }, t("runs.actions"));
  body.addEventListener("keydown", step);

  function sortBy(name) {
    [column, down] = [name, column === name && down === "down" ? "up" : "down"];
    keep("runs.sort", `${column} ${down}`);
    order();
    say(t(down === "down" ? "runs.sorted-down" : "runs.sorted-up", { column: t(`runs.${name}`) }));
  }

  /** Put the rows in order, moving only those that stand elsewhere. */
  function order() {
    COLUMNS.forEach(({ name }, i) => {
      const how = name !== column ? "none" : down === "down" ? "descending" : "ascending";
      heads[i].setAttribute("aria-sort", how);
    });
    const by = COLUMNS.find(({ name }) => name === column).by;
    const sign = down === "down" ? -1 : 1;
    const sorted = [...rows.values()].sort((a, b) => {
      const [x, y] = [by(a.row), by(b.row)];
      return x < y ? -sign : x > y ? sign : a.row.name.localeCompare(b.row.name);
    });
    let at = body.firstElementChild;
    for (const { line, more } of sorted) {
      if (line === at) at = more.nextElementSibling;
      else {
        const within = line.contains(document.activeElement) ? document.activeElement : null;
        body.insertBefore(line, at);
        body.insertBefore(more, at);
        within?.focus({ preventScroll: true });
      }
    }
  }

  function show(found) {
    const names = new Set(found.map((row) => row.name));
    for (const [name, shown] of rows) {
      if (names.has(name)) continue;
      shown.line.remove();
      shown.more.remove();
      rows.delete(name);
      tick(name, false);
    }
    for (const row of found) {
      if (!rows.has(row.name)) rows.set(row.name, lineOf(row));
      rows.get(row.name).fill(row);
    }
    order();
    const none = found.length === 0;
    if (none && !empty.firstChild) teach(empty);
    empty.hidden = !none;
    holder.hidden = none;
  }

  function tick(name, on) {
    const at = ticked.indexOf(name);
    if (on && at < 0) ticked.push(name);
    else if (!on && at >= 0) ticked.splice(at, 1);
    else return;
    while (ticked.length > MOST) {
      const oldest = rows.get(ticked.shift());
      if (oldest) oldest.box.checked = false;
    }
    chosen([...ticked]);
  }

  function lineOf(row) {
    const line = make(body, "tr", { dataset: { run: row.name } });
    const more = make(body, "tr", { class: "more", hidden: true });
    const within = make(more, "td", { colspan: COLUMNS.length + 2 });
    const shown = { line, more, row };
    const box = make(make(line, "td", { class: "tick" }), "input", {
      type: "checkbox", "aria-label": t("runs.tick", { run: row.name }), dataset: { testid: "tick" },
      change: (event) => tick(row.name, event.target.checked),
    });
    const title = make(line, "td", { class: "name" });
    const name = make(title, "a", { href: address("tissue", [row.name]), dataset: { testid: "open" } });
    const marks = make(title, "span", { class: "marks" });
    const about = make(title, "p", { class: "hint about" });
    const cells = Object.fromEntries(COLUMNS.slice(1).map(({ name: key, right, extra }) =>
      [key, make(line, "td", { class: ["number", right ? "right" : "", extra ? "extra" : "", key].join(" ") })]));
    const word = make(cells.state, "span", { class: "state" });
    const bar = make(make(cells.state, "div", { class: "bar", "aria-hidden": "true" }), "i");
    const actions = make(make(line, "td", { class: "actions" }), "div", { class: "row" });
    const look = make(actions, "button", {
      type: "button", class: "button small", "aria-expanded": "false", dataset: { testid: "details" },
      click: () => unfold(shown, within, look),
    }, t("runs.details"));
    const take = make(actions, "button", {
      type: "button", class: "button small", dataset: { testid: "download" }, click: () => write(shown.row),
    }, t("runs.download"));
    const remove = make(actions, "button", {
      type: "button", class: "button small danger", dataset: { testid: "delete" }, click: () => removed(shown.row),
    }, t("runs.delete"));

    shown.box = box;
    shown.fill = (now) => {
      shown.row = now;
      line.dataset.state = now.state;
      put(name, now.name);
      name.toggleAttribute("data-broken", !now.ok);
      if (now.ok) name.setAttribute("href", address("tissue", [now.name]));
      else name.removeAttribute("href");
      put(about, now.ok ? [now.title !== now.name ? now.title : "", now.description].filter(Boolean).join(" · ") : now.error);
      about.classList.toggle("fault", now.state === "failed" && !now.ok);
      mark(marks, now);
      put(word, t(`runs.state-${now.state}`) + (now.state === "running" || now.state === "paused" ? ` ${percent(now.progress)}` : ""));
      word.dataset.state = now.state;
      bar.style.width = `${100 * now.progress}%`;
      bar.parentElement.hidden = !now.ok || now.state === "done";
      put(cells.cells, now.cells === null ? "–" : count(now.cells));
      put(cells.hours, !now.ok ? "–" : now.state === "done" ? hours(now.hours) : `${hours(now.hours_done)} / ${hours(now.hours)}`);
      put(cells.futures, now.ok ? futures(now) : "–");
      put(cells.size, bytes(now.size));
      put(cells.changed, now.changed ? when(now.changed) : "–");
      if (now.changed) cells.changed.title = moment(now.changed);
      box.disabled = take.disabled = look.disabled = !now.ok || now.cells === null;
      look.disabled = !now.ok;
      remove.disabled = !now.can_delete;
      remove.title = now.can_delete ? "" : t(`runs.not-${whyNot(now)}`);
    };
    return shown;
  }

  async function unfold(shown, within, button) {
    const open = shown.more.hidden;
    shown.more.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    clear(within);
    make(within, "p", { class: "hint" }, t("runs.reading"));
    try {
      const found = await ask(`/api/runs/${encodeURIComponent(shown.row.name)}`, { signal });
      clear(within);
      details(within, found);
    } catch (error) {
      if (signal.aborted) return;
      clear(within);
      make(within, "p", { class: "fault" }, error.message);
    }
  }

  async function removed(row) {
    const words = t(row.made ? "runs.really-run" : "runs.really-store", { run: row.name, size: bytes(row.size) });
    if (!await really(t("runs.delete-run"), words, t("runs.delete"))) return;
    try {
      await ask(`/api/runs/${encodeURIComponent(row.name)}`, { method: "DELETE" });
      say(t("runs.deleted", { run: row.name }));
    } catch (error) {
      const line = rows.get(row.name)?.line;
      if (line) make(line.querySelector(".name"), "p", { class: "fault", role: "alert" }, error.message);
    }
    changed();
  }

  /** Move by the arrow keys: the same control of the next row. */
  function step(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const line = event.target.closest("tr[data-run]");
    if (!line) return;
    const place = [...line.querySelectorAll("input, a, button")].indexOf(event.target);
    const lines = [...body.querySelectorAll("tr[data-run]")];
    const next = lines[lines.indexOf(line) + (event.key === "ArrowDown" ? 1 : -1)];
    if (!next || place < 0) return;
    event.preventDefault();
    next.querySelectorAll("input, a, button")[place].focus();
  }

  return { show };
}

function futures(row) {
  const parts = [[row.branches, "branches"], [row.points, "points"], [row.replicates, "replicates"]].filter(([n]) => n > 1);
  return parts.map(([n, what]) => t(`runs.${what}`, { n: count(n) })).join("\n× ") || t("runs.single");
}

/** Return why a run cannot be deleted here. */
function whyNot(row) {
  if (!row.inside) return "inside";
  if (row.state === "foreign") return "run";
  return ["running", "waiting", "preparing", "paused", "stopping"].includes(row.state) ? "running" : "yours";
}

function mark(marks, row) {
  const wanted = [row.opened && "opened", row.private && "private"].filter(Boolean);
  if (marks.dataset.shown === wanted.join(" ")) return;
  marks.dataset.shown = wanted.join(" ");
  clear(marks);
  for (const what of wanted) make(marks, "span", { class: "chip", title: t(`runs.${what}-why`) }, t(`runs.${what}`));
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function teach(box) {
  make(box, "p", {}, t("runs.none"));
  const ways = make(box, "div", { class: "row" });
  make(ways, "a", { class: "button primary", href: "#/tissue" }, t("runs.begin"));
  make(ways, "a", { class: "button", href: "#/cell" }, t("runs.ask-cell"));
  make(box, "p", { class: "hint" }, t("runs.none-command"));
  make(box, "code", {}, "twin run scenarios/ifnb_lymphoid_patch.yaml --out runs/patch");
}
