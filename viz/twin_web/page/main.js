// The page: what stands around the views, and which view is shown.
import { openAbout } from "./about.js";
import { ask } from "./lib/ask.js";
import { clear, make, say, state } from "./lib/dom.js";
import { keep } from "./lib/kept.js";
import { line, onLine } from "./lib/line.js";
import { address, place } from "./lib/place.js";
import { LANGUAGES, language, loadWords, onLanguage, setLanguage, t } from "./lib/words.js";

const VIEWS = ["cell", "tissue", "runs"];
const BACK_SHOWN = 4000; // ms that "the server answers again" is read

const at = (id) => document.getElementById(id);
let takeDown = () => {};
let turn = 0; // of the last one that was asked for: a view that comes late is not shown
let shown = null;

/** Show the view that the address names. */
async function route({ moved = false } = {}) {
  const mine = ++turn;
  takeDown();
  takeDown = () => {};
  const { view, path, query } = place();
  if (!view) {
    const first = await beginning();
    return void (mine === turn && location.replace(first));
  }
  state("loading");
  document.body.dataset.view = view;
  nameNav(view);
  const main = at("view");
  clear(main);
  main.className = view;
  if (!VIEWS.includes(view)) return fault(main, t("shell.nowhere", { view }));
  const holder = make(main, "div", { class: "holder" });
  make(holder, "p", { class: "plain" }, t("shell.loading"));
  document.title = t("shell.title", { view: t(`shell.${view}`) });
  if (moved && shown && shown !== view) main.focus({ preventScroll: true }); // a reader hears where it is now
  shown = view;
  try {
    const [module] = await Promise.all([import(`./${view}/view.js`), loadWords(view)]);
    if (mine !== turn) return;
    clear(holder);
    const down = await module.mount(holder, { path, query });
    if (mine === turn) takeDown = down;
    else down();
  } catch (error) {
    if (mine !== turn) return;
    console.error(error);
    clear(main);
    fault(main, t("shell.broken"), error.message);
  }
}

/** Return the address that the page begins with: what `twin serve` was given. */
async function beginning() {
  const { opened } = await ask("/api/site");
  if (opened.kind === "run") return address("tissue", [opened.name]);
  if (opened.kind === "scenario") return address("tissue", [], { scenario: "opened" });
  return address("cell");
}

function fault(main, text, detail = "") {
  state("failed");
  const box = make(main, "div", { class: "plain", role: "alert" });
  make(box, "p", { class: "fault" }, text);
  if (detail) make(box, "p", { class: "hint" }, detail);
  make(box, "button", { class: "button", type: "button", click: () => route() }, t("shell.again"));
}

function nameNav(view) {
  for (const link of at("nav").children) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Write what stands around the views, in the language of now. */
function dress() {
  at("skip").textContent = t("shell.skip");
  at("tagline").textContent = t("shell.tagline");
  at("language-label").textContent = t("shell.language");
  at("nav").setAttribute("aria-label", t("shell.nav"));
  clear(at("nav"));
  for (const view of VIEWS) make(at("nav"), "a", { href: address(view), dataset: { view } }, t(`shell.${view}`));
  nameNav(document.body.dataset.view);
  at("about").textContent = t("shell.about");
  nameTheme();
  if (line() !== "open") showLine(line());
}

function nameTheme() {
  at("theme").textContent = t(document.documentElement.dataset.theme === "dark" ? "shell.light" : "shell.dark");
}

function showLine(how) {
  const banner = at("banner");
  banner.hidden = false;
  banner.dataset.line = how;
  banner.textContent = t({ open: "shell.back", lost: "shell.lost", locked: "shell.locked" }[how]);
  if (how === "open") setTimeout(() => { banner.hidden = line() === "open"; }, BACK_SHOWN);
}

function listen() {
  for (const [name, text] of Object.entries(LANGUAGES)) make(at("language"), "option", { value: name, lang: name }, text);
  at("language").value = language();
  at("language").addEventListener("change", (event) => setLanguage(event.target.value));
  onLanguage(() => {
    dress();
    route();
  });
  at("theme").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    keep("theme", root.dataset.theme);
    nameTheme();
    document.dispatchEvent(new CustomEvent("theme")); // what is drawn on a canvas is drawn anew
  });
  at("about").addEventListener("click", openAbout);
  at("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names a view, not a place on the page
    at("view").focus();
  });
  onLine(showLine);
  addEventListener("hashchange", () => route({ moved: true }));
}

await loadWords("shell");
listen();
dress();
await route();
