// The page comes to life.

const OLD = "This browser cannot unpack the page's data: open it in Chrome or Edge 80, Firefox 113, Safari 16.4, or newer.";
const FLAT = "This page draws with WebGL2, which this browser does not offer: switch on hardware acceleration in its "
  + "settings, or open the page in another browser.";

function setTheme(isDark) {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  element("theme").textContent = isDark ? "☀ light" : "☾ dark";
  redraw();
}

function setUpText() {
  const { about } = record;
  element("title").textContent = about.description ? `${record.title}: ${about.description}` : record.title;
  const told = [`run ${about.run}`, about.branch, about.replicate && `replicate ${about.replicate}`,
    record.compartment && `compartment ${record.compartment}`, about.scenario && `scenario ${about.scenario}`,
    about.seed && `seed ${about.seed}`, about.model && `world model ${about.model}`, about.kept,
    about.twin && `twin ${about.twin}`];
  element("about").textContent = told.filter(Boolean).join(" · ");
  element("notes").textContent = `${record.hours.length} kept times. One colour scale for all times`
    + `${record.futures.length > 1 ? " and futures" : ""}. Places are exact to ${record.view.resolution} µm, `
    + "numbers to 1/65534 of their range.";
  const kinds = { type: "cells", gene: "genes and programs", state: "states and columns" };
  const options = record.paints.map((p, i) => ({ value: i, text: titleOf(p), group: kinds[p.kind] }));
  fillSelect(element("paint"), options);
  element("paint").value = state.paint;
  element("paint").addEventListener("change", () => {
    state.paint = Number(element("paint").value);
    recolor();
  });
}

async function start() {
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  setTheme(scheme.matches);
  scheme.addEventListener("change", () => setTheme(scheme.matches));
  element("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
  setUpText();
  setUpTime();
  if (!window.DecompressionStream) return tell(OLD);
  if (!canvas.getContext("webgl2", CONTEXT)) return tell(FLAT);
  painter = new Painter(canvas);
  canvas.setAttribute("aria-label", `Cells of ${record.title} in space; click one to see its numbers`);
  canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); painter = null; });
  canvas.addEventListener("webglcontextrestored", () => { painter = new Painter(canvas); goTo(state.t); });
  setUpCut();
  setUpSlice();
  setUpHands();
  idOf = await idsOf(record.ids);
  await goTo(state.t);
  new ResizeObserver(redraw).observe(holder);
  window.addEventListener("resize", showCurves);
  document.body.dataset.loaded = "first";
  await loadRest();
}

start().catch((error) => tell(`This page is damaged or was cut short (${error.message}): export it anew.`));
