// What is shown now, and the drawing of it.

const canvas = element("scene"), under = element("under"), over = element("over"), holder = element("holder");
const state = {
  t: record.start ?? record.hours.length - 1, paint: record.first, hiddenTypes: new Set(), hidden: new Map(), // by number of the paint
  dead: true, picked: null, playing: false, now: [], // the frame of each panel
  follows: record.follows ?? true, // the newest time, as long as nobody holds another one
};
let painter = null, slice = null, cut = null;
let layout = { panels: [], scale: 1 };
let linesDrawn = ""; // what the lines and lengths about the cells were last drawn for
let awaited = 0; // pieces without which the picture is not the one that was asked for
let asked = false, isFine = false, rest = 0, drawn = 0;
let coarseness = 1; // px of the page that one of the picture takes while things move, 1 to 3: as the machine is slow
let cost = 0; // ms for such a picture
const SMOOTH = 50, PATIENCE = 120; // ms: for a picture while things move, and to take four samples at rest; our choice

const paintNow = () => record.paints[state.paint];
const typesOf = () => record.paints[record.types];
const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const scaleNow = () => layout.scale * camera.zoom; // px a µm
const placeOf = (frame, i) => [0, 1, 2].map((a) => frame.low[a] + (frame.place[4 * i + a] / STEPS) * frame.size[a]);
const radiusOf = (frame, i) => (frame.place[4 * i + 3] / STEPS) * frame.largest;

/** What is hidden of the categories of a paint. */
function hiddenOf(number) {
  if (number === record.types) return state.hiddenTypes;
  if (!state.hidden.has(number)) state.hidden.set(number, new Set());
  return state.hidden.get(number);
}

/** Say in place of the picture why there is none. */
function tell(text) {
  element("message").textContent = text;
  element("message").hidden = false;
  canvas.hidden = under.hidden = over.hidden = true;
  element("captions").replaceChildren();
  painter = null;
  document.body.dataset.state = "failed";
  announce("fault", text);
}

/** Give the canvases the size of the page, in px; the cells' own one may be coarser. Returns px of it a px of the page. */
function measure(coarse) {
  const [width, height] = [holder.clientWidth, holder.clientHeight], full = Math.min(window.devicePixelRatio || 1, 2);
  for (const [one, ratio] of [[under, full], [over, full], [canvas, full / coarse]]) {
    const [w, h] = [width, height].map((size) => Math.max(1, Math.round(size * ratio)));
    if (one.width !== w || one.height !== h) Object.assign(one, { width: w, height: h });
  }
  layout = panelsOf(record.futures.length, width, height);
  return full;
}

/** Come back with a piece; until then the picture is not still. */
async function awaiting(promise) {
  awaited++;
  document.body.dataset.state = "moving";
  try {
    return await promise;
  } finally {
    awaited--;
  }
}

/** Draw at once, coarsely where the machine is slow, and finely when nothing has moved for a while. */
function redraw() {
  if (!painter) return;
  document.body.dataset.state = "moving";
  isFine = false;
  clearTimeout(rest);
  rest = setTimeout(() => { isFine = true; request(); }, 150);
  request();
}

function request() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; paintAll(); });
}

function paintAll() {
  if (!painter || state.now.length === 0) return;
  const coarse = isFine ? 1 : coarseness;
  const full = measure(coarse), { panels } = layout, scale = scaleNow();
  const each = isFine && full < 1.5 && coarseness === 1 && cost < PATIENCE ? 2 : 1;
  const began = performance.now();
  painter.draw({
    panels, scale, ratio: full / coarse, each, taps: coarse > 1 ? 4 : 12, cut, paint: paintNow(),
    number: state.paint, dead: state.dead, nothing: channels(record.look.nothing), ground: channels(colourOf("--ground")),
  });
  if (!isFine && drawn++ % 4 === 1) { // the first also compiles: it tells nothing
    painter.wait(); // else the time is that of asking, not of drawing
    cost = performance.now() - began;
    if (cost > 1.5 * SMOOTH) coarseness = Math.min(3, coarseness + 1);
    else if (cost < SMOOTH / 4) coarseness = Math.max(1, coarseness - 1);
    document.body.dataset.milliseconds = cost.toFixed(1);
  }
  if (!document.body.dataset.loadMilliseconds) {
    painter.wait();
    document.body.dataset.loadMilliseconds = performance.now().toFixed(0); // since the page was asked for
    announce("drawn");
  }
  countPictures();
  const [ground, ink, accent, frame] = ["--ground", "--ink", "--accent", "--frame"].map(colourOf);
  const colors = { ground, ink, accent, frame }, rings = ringsNow(scale);
  const lines = JSON.stringify([full, panels, scale, colors, rings, cut, camera, box]);
  if (lines !== linesDrawn) { // not while only time goes on
    linesDrawn = lines;
    drawUnder(under, full, panels, scale, colors);
    drawOver(over, full, panels, scale, colors, rings, cut);
  }
  panels.forEach((panel, i) => {
    const { style } = element("captions").children[i];
    Object.assign(style, { left: `${panel.left}px`, top: `${panel.top}px`, maxWidth: `${panel.width}px` });
  });
  if (isFine && awaited === 0) document.body.dataset.state = "still";
}

const drawnAt = []; // ms, of the pictures of the last second

/** Tell how many pictures a second are drawn while things move. */
function countPictures() {
  const now = performance.now();
  while (drawnAt.length && now - drawnAt[0] > 1000) drawnAt.shift();
  drawnAt.push(now);
  const span = now - drawnAt[0];
  if (span > 500) document.body.dataset.framesPerSecond = ((1000 * (drawnAt.length - 1)) / span).toFixed(1);
}

function ringsNow(scale) {
  const frame = state.picked ? state.now[state.picked.future] : null;
  const index = frame ? indexOf(frame, state.picked.who) : -1;
  if (index < 0 || !isShown(frame, index)) return [];
  const [x, y] = project(placeOf(frame, index), layout.panels[state.picked.future], scale);
  return [{ panel: state.picked.future, x, y, radius: radiusOf(frame, index) * scale }];
}

/** Whether a cell is drawn: as the program of the cells has it. */
function isShown(frame, i) {
  const paint = paintNow(), { group } = typesOf();
  if (!frame.alive[i] && !state.dead) return false;
  if (state.hiddenTypes.size && state.hiddenTypes.has(group[codesOf(frame, record.types)[i]])) return false;
  const isColored = frame.alive[i] || paint.bodies, hidden = paint.names && hiddenOf(state.paint);
  if (isColored && hidden && hidden.size && hidden.has(paint.group[codesOf(frame, state.paint)[i]])) return false;
  if (!cut.on) return true;
  const along = frame.low[cut.axis] + (frame.place[4 * i + cut.axis] / STEPS) * frame.size[cut.axis];
  return cut.below ? along <= cut.at : along >= cut.at;
}

/** Above each panel: which future, when, how many cells, and whether that is beyond what was measured. */
function showCaptions() {
  const captions = element("captions");
  while (captions.children.length > record.futures.length) captions.lastChild.remove();
  while (captions.children.length < record.futures.length) {
    const caption = make(captions, "div", { className: "caption" });
    make(caption, "strong", {});
    make(caption, "span", {});
    make(caption, "span", { className: "beyond" });
  }
  record.futures.forEach((future, i) => {
    const frame = state.now[i], hour = record.hours[state.t];
    const [name, told, beyond] = captions.children[i].children;
    let shown = 0;
    for (let k = 0; frame && k < frame.n; k++) shown += isShown(frame, k) ? 1 : 0;
    const cells = !frame ? say("cells.none") : shown === frame.n ? cellsOf(frame.n)
      : say("cells.some", { shown: count(shown), n: count(frame.n) });
    name.textContent = future.name || hoursOf(hour);
    told.textContent = future.name ? `${hoursOf(hour)} · ${cells}` : cells;
    const isLate = future.measured != null && hour > future.measured + 1e-9;
    beyond.textContent = isLate ? ` · ${say("late")}` : "";
    captions.children[i].dataset.shown = shown;
  });
}

const cellsOf = (n) => (n === 1 ? say("cells.one") : say("cells", { n: count(n) }));
