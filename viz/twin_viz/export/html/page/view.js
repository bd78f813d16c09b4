// What is shown now, and the drawing of it.

const canvas = element("scene"), under = element("under"), over = element("over"), holder = element("holder");
const state = {
  t: record.hours.length - 1, paint: record.first, hiddenTypes: new Set(), hidden: record.paints.map(() => new Set()),
  dead: true, picked: null, playing: false, now: [], // the frame of each panel
};
let painter = null, idOf = null, slice = null, cut = null;
let layout = { panels: [], scale: 1 };
let asked = false, isFine = false, rest = 0, drawn = 0;
let coarseness = 1; // px of the page that one of the picture takes while things move, 1 to 3: as the machine is slow
let cost = 0; // ms for such a picture
const SMOOTH = 50, PATIENCE = 120; // ms: for a picture while things move, and to take four samples at rest; our choice

const paintNow = () => record.paints[state.paint];
const typesOf = () => record.paints[record.types];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
const scaleNow = () => layout.scale * camera.zoom; // px a µm
const placeOf = (frame, i) => [0, 1, 2].map((a) => box[0][a] + (frame.place[4 * i + a] / STEPS) * edge[a]);
const radiusOf = (frame, i) => (frame.place[4 * i + 3] / STEPS) * record.radius;

/** Say in place of the picture why there is none. */
function tell(text) {
  element("message").textContent = text;
  element("message").hidden = false;
  canvas.hidden = under.hidden = over.hidden = true;
  element("captions").replaceChildren();
  painter = null;
  document.body.dataset.state = "failed";
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
    dead: state.dead, nothing: channels(record.look.nothing), ground: channels(css("--ground")),
  });
  if (!isFine && drawn++ % 4 === 1) { // the first also compiles: it tells nothing
    painter.wait(); // else the time is that of asking, not of drawing
    cost = performance.now() - began;
    if (cost > 1.5 * SMOOTH) coarseness = Math.min(3, coarseness + 1);
    else if (cost < SMOOTH / 4) coarseness = Math.max(1, coarseness - 1);
    document.body.dataset.milliseconds = cost.toFixed(1);
  }
  const colors = { ground: css("--ground"), ink: css("--ink"), accent: css("--accent"), frame: css("--frame") };
  drawUnder(under, full, panels, scale, colors);
  drawOver(over, full, panels, scale, colors, ringsNow(scale), cut);
  panels.forEach((panel, i) => {
    const { style } = element("captions").children[i];
    Object.assign(style, { left: `${panel.left}px`, top: `${panel.top}px`, maxWidth: `${panel.width}px` });
  });
  if (isFine) document.body.dataset.state = "still";
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
  if (state.hiddenTypes.has(group[frame.paints[record.types][i]])) return false;
  const isColored = frame.alive[i] || paint.bodies;
  if (isColored && paint.names && state.hidden[state.paint].has(paint.group[frame.paints[state.paint][i]])) return false;
  if (!cut.on) return true;
  const along = box[0][cut.axis] + (frame.place[4 * i + cut.axis] / STEPS) * edge[cut.axis];
  return cut.below ? along <= cut.at : along >= cut.at;
}

/** Above each panel: which future, when, how many cells, and whether that is beyond what was measured. */
function showCaptions() {
  const captions = element("captions");
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
    const cells = !frame ? "no cells were kept at this time" : shown === frame.n ? `${count(frame.n)} cells`
      : `${count(shown)} of ${count(frame.n)} cells shown`;
    name.textContent = future.name || hoursOf(hour);
    told.textContent = future.name ? `${hoursOf(hour)} · ${cells}` : cells;
    const isLate = future.measured !== null && hour > future.measured + 1e-9;
    beyond.textContent = isLate ? ` · ${record.look.late}` : "";
    captions.children[i].dataset.shown = shown;
  });
}
