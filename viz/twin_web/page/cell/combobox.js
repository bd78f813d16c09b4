// A box in which one types to find one of many, as the pattern "combobox with a list" of ARIA has it.
import { clear, make } from "../lib/dom.js";
import { t } from "../lib/words.js";

const PAUSE = 120; // ms after the last key before a server is asked

/**
 * A labelled box. find(text) → [{title, items: [{value, text, note}]}] or a promise of it; onPick(value) once one is
 * chosen. clears: whether the box is empty again once something was chosen. Returns {input, set(text), takeDown()}.
 */
export function combobox(parent, { id, label, placeholder = "", find, onPick, clears = false, hasLabel = true }) {
  const box = make(parent, "div", { class: "combo field" });
  const title = make(box, "label", { for: id, class: hasLabel ? "" : "unseen" }, label);
  const input = make(box, "input", {
    id, type: "text", role: "combobox", placeholder, autocomplete: "off", spellcheck: "false", "aria-expanded": "false",
    "aria-controls": `${id}-list`, "aria-autocomplete": "list",
  });
  const list = make(box, "div", { id: `${id}-list`, class: "combo-list", role: "listbox", "aria-label": title.textContent, hidden: true });
  let shown = "", sought = "", options = [], active = -1, asked = 0, timer = 0;

  const isOpen = () => !list.hidden;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const put = (text) => {
    shown = text;
    input.value = text;
    input.title = text;
  };
  const pick = (item) => {
    close();
    put(clears ? "" : item.text);
    onPick(item.value);
  };
  const go = (to) => {
    if (!options.length) return;
    options[active]?.element.setAttribute("aria-selected", "false");
    active = (to + options.length) % options.length;
    const { element } = options[active];
    element.setAttribute("aria-selected", "true");
    element.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", element.id);
  };
  const fill = (groups) => {
    clear(list);
    options = [];
    for (const group of groups) {
      const part = make(list, "div", group.title ? { role: "group", "aria-label": group.title } : { role: "presentation" });
      if (group.title) make(part, "div", { class: "combo-title", "aria-hidden": "true" }, group.title);
      for (const item of group.items) {
        const element = make(part, "div", {
          id: `${id}-${options.length}`, role: "option", class: "combo-option", "aria-selected": "false", pointerdown: (event) => {
            event.preventDefault(); // the box keeps the focus
            pick(item);
          },
        });
        make(element, "span", {}, item.text);
        if (item.note) make(element, "small", {}, item.note);
        options.push({ item, element });
      }
    }
    if (!options.length) make(list, "p", { class: "hint combo-none" }, t("cell.none"));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    active = -1;
  };
  const open = async (text, takesFirst = false) => {
    clearTimeout(timer);
    const mine = ++asked;
    sought = text;
    const groups = await find(text);
    if (mine !== asked || document.activeElement !== input) return;
    fill(groups);
    if (text) go(0);
    if (takesFirst && options.length) pick(options[0].item);
  };
  const later = (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => open(text), PAUSE);
  };

  input.addEventListener("input", () => later(input.value));
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => { if (!isOpen()) open(""); });
  input.addEventListener("blur", () => {
    clearTimeout(timer);
    asked++;
    close();
    put(clears ? "" : shown);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!isOpen()) open(input.value === shown ? "" : input.value);
      else go(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && isOpen() && active >= 0 && (sought === input.value || !sought)) pick(options[active].item);
    else if (event.key === "Enter" && input.value && input.value !== shown) open(input.value, true); // typed faster than it is sought
    else if (event.key === "Escape" && isOpen()) {
      close();
      put(shown);
    } else return;
    event.preventDefault();
  });
  return { input, box, set: put, takeDown: () => clearTimeout(timer) };
}

/** Those of groups whose text or title holds what was typed; a title that fits keeps all of its own. */
export function sieve(groups, text) {
  const wanted = text.trim().toLowerCase(), holds = (words) => (words ?? "").toLowerCase().includes(wanted);
  if (!wanted) return groups;
  const left = groups.map((group) => (holds(group.title) ? group : { ...group, items: group.items.filter((item) => holds(item.text)) }));
  const rank = (group) => (group.items.some((item) => item.text.toLowerCase().startsWith(wanted)) ? 0 : 1);
  return left.filter((group) => group.items.length).sort((a, b) => rank(a) - rank(b));
}
