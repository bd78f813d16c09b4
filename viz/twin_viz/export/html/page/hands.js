// Mouse, fingers and keys.

/** The panel at a place of the canvas (px), and the place within it. */
function panelAt(x, y) {
  const i = layout.panels.findIndex((p) => x >= p.left && x < p.left + p.width && y >= p.top && y < p.top + p.height);
  return i < 0 ? null : { i, panel: layout.panels[i], x: x - layout.panels[i].left, y: y - layout.panels[i].top };
}

/** Take the cell that is seen at a place of the canvas (px), or none. */
function pick(x, y) {
  const at = panelAt(x, y), frame = at && state.now[at.i], scale = scaleNow();
  let best = -1, nearest = -Infinity;
  for (let i = 0; frame && i < frame.n; i++) {
    const [px, py, near] = project(placeOf(frame, i), at.panel, scale), radius = radiusOf(frame, i);
    const away = Math.hypot(px - at.x, py - at.y) / scale; // µm
    if (away > Math.max(radius, 2 / scale) || !isShown(frame, i)) continue; // the smallest are 2 px to the finger
    const top = near + Math.sqrt(Math.max(0, radius * radius - away * away));
    if (top > nearest) [best, nearest] = [i, top];
  }
  take(best < 0 ? null : { future: at.i, who: frame.who[best] });
}

/** Take a cell, {future, who}, or none. */
function take(picked) {
  state.picked = picked;
  showPicked().then(() => state.picked && element("cell").scrollIntoView({ block: "nearest" }));
  redraw();
  announce("picked", picked);
}

function showPicked() {
  const mine = ++asks;
  const release = () => take(null);
  return showCell(element("picked"), state.picked, state.t, state.paint, holdAt, release, () => mine !== asks);
}
let asks = 0; // the latest is the one that is answered

function zoom(factor, x, y) {
  const at = panelAt(x, y), before = scaleNow();
  camera.zoom = Math.max(0.2, Math.min(60, camera.zoom * factor));
  if (at) { // what is under the pointer stays there
    const shift = 1 / scaleNow() - 1 / before;
    move((at.x - at.panel.width / 2) * shift, (centreOf(at.panel) - at.y) * shift);
  }
  turned();
}

function reset() {
  resetCamera();
  turned();
}

function turned() {
  redraw();
  announce("camera");
}

function setUpHands() {
  const fingers = new Map(); // pointer → [x, y] px
  let moved = 0, isPanning = false;
  const placeAt = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeAt(event));
    if (fingers.size === 1) moved = 0;
    isPanning = event.button !== 0 || event.shiftKey;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = placeAt(event), [dx, dy] = [now[0] - before[0], now[1] - before[1]], scale = scaleNow();
    moved += Math.hypot(dx, dy);
    if (fingers.size === 2) {
      const [x, y] = [...fingers].find(([id]) => id !== event.pointerId)[1]; // the other finger
      move(dx / 2 / scale, -dy / 2 / scale);
      const apart = Math.max(1, Math.hypot(before[0] - x, before[1] - y));
      zoom(Math.hypot(now[0] - x, now[1] - y) / apart, (now[0] + x) / 2, (now[1] + y) / 2);
    } else if (isPanning) move(dx / scale, -dy / scale);
    else turn(-dx * 0.008, dy * 0.008);
    fingers.set(event.pointerId, now);
    turned();
  });
  const lift = (event) => {
    const isClick = fingers.delete(event.pointerId) && event.type === "pointerup" && moved < 4;
    if (isClick && event.button === 0 && !event.shiftKey) pick(...placeAt(event));
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", reset);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...placeAt(event));
  }, { passive: false });
  document.addEventListener("keydown", onKey);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function onKey(event) {
  const own = event.target.closest && event.target.closest("select, input, button"); // has keys of its own
  if (event.ctrlKey || event.metaKey || event.altKey || (own && own.id !== "time")) return;
  const arrow = ARROWS[event.key], centre = [holder.clientWidth / 2, holder.clientHeight / 2];
  if (arrow && event.shiftKey) {
    turn(-arrow[0] * 0.12, -arrow[1] * 0.12);
    turned();
  } else if (arrow && arrow[0] && !own) {
    holdAt(state.t + arrow[0]);
  } else if (event.key === " ") play(!state.playing);
  else if (event.key === "+" || event.key === "=") zoom(1.2, ...centre);
  else if (event.key === "-") zoom(1 / 1.2, ...centre);
  else if (event.key === "0") reset();
  else return;
  event.preventDefault();
}
