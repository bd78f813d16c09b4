// The page comes to life.

function setTheme(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  showSwitches();
  redraw();
}

/** What the switches of the whole page do next, in words. */
function showSwitches() {
  const isDark = document.documentElement.dataset.theme === "dark";
  element("theme").textContent = say(isDark ? "light" : "dark");
  element("language").textContent = TEXTS[language === "zh" ? "en" : "zh"].name; // in the words of who needs it
}

function showText() {
  const { about } = record;
  element("title").textContent = about.description ? `${record.title}: ${about.description}` : record.title;
  const told = ["run", "branch", "replicate", "compartment", "scenario", "seed", "model", "kept", "twin"].map((key) => {
    const of = key === "compartment" ? record.compartment : about[key];
    return of && `about.${key}` in ENGLISH ? say(`about.${key}`, { of }) : of;
  });
  element("about").textContent = told.filter(Boolean).join(" · ");
  showNotes();
  showPaints();
  canvas.setAttribute("aria-label", say("canvas", { title: record.title }));
}

function showNotes() {
  const slots = { n: record.hours.length, resolution: record.view.resolution };
  element("notes").textContent = say(record.futures.length > 1 ? "notes.futures" : "notes", slots);
}

/** The ways to colour cells, as a menu. */
function showPaints() {
  const option = (paint, value) => ({ value, text: titleOf(paint), group: say(`group.${paint.kind}`), paint });
  fillSelect(element("paint"), record.paints.map(option).filter(({ paint }) => isTelling(paint)));
  element("paint").value = state.paint;
}

/** Colour cells by another paint. */
async function setPaint(number) {
  state.paint = number;
  element("paint").value = number;
  announce("color", record.paints[number].name);
  await goTo(state.t);
  await loadRest();
}

function failed(error) {
  tell(say("damaged", { why: error.message }));
}

async function start() {
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  writeTexts();
  const asked = document.documentElement.dataset.theme; // of a page around this one
  setTheme(asked ? asked === "dark" : scheme.matches);
  scheme.addEventListener("change", () => asked || setTheme(scheme.matches));
  element("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
  element("language").addEventListener("click", () => speak(language === "zh" ? "en" : "zh"));
  element("paint").addEventListener("change", () => setPaint(Number(element("paint").value)).catch(failed));
  showText();
  setUpTime();
  announce("begun");
  if (!window.DecompressionStream) return tell(say("old"));
  if (!canvas.getContext("webgl2", CONTEXT)) return tell(say("flat"));
  painter = new Painter(canvas);
  canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); painter = null; });
  canvas.addEventListener("webglcontextrestored", () => { painter = new Painter(canvas); goTo(state.t); });
  setUpCut();
  setUpSlice();
  setUpHands();
  listen("language", () => { showSwitches(); showText(); recolor(); });
  await readIds();
  await goTo(state.t);
  new ResizeObserver(redraw).observe(holder);
  window.addEventListener("resize", showCurves);
  document.body.dataset.loaded = "first";
  await loadRest();
}

start().catch(failed);
