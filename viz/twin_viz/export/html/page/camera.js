// One parallel projection for all panels: lengths are true everywhere.

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const CAPTION = 48, FOOT = 44; // px free above and below what is shown; there stand lengths
const SIDE = document.body.classList.contains("compact") ? 16 : 58; // px free beside it

const cornersOf = (ends) => [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [0, 1, 2].map((a) => ends[(i >> a) & 1][a]));
const frameBox = record.view.frame; // the compartment's own box: cells may stand out of it
const frameCorners = cornersOf(frameBox);
let box, middle, edge, corners; // of all that is shown
let reach; // µm from the middle to whatever is farthest
const camera = {};

/** Show a box of the whole, that of all cells. */
function setBox(ends) {
  box = ends;
  middle = [0, 1, 2].map((a) => (box[0][a] + box[1][a]) / 2);
  edge = [0, 1, 2].map((a) => box[1][a] - box[0][a]);
  corners = cornersOf(box);
  reach = Math.hypot(...edge) / 2 + record.radius;
}

function resetCamera() {
  const toward = record.view.toward;
  camera.elevation = Math.asin(toward[2]);
  camera.azimuth = Math.atan2(toward[0], -toward[1]);
  camera.focus = [...middle];
  camera.zoom = 1;
  turn(0, 0);
}

/** Turn about the upright axis and about the horizontal of the picture, in radians. */
function turn(sideways, upward) {
  camera.azimuth += sideways;
  camera.elevation = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, camera.elevation + upward));
  const [sa, ca, se, ce] = [Math.sin(camera.azimuth), Math.cos(camera.azimuth), Math.sin(camera.elevation),
    Math.cos(camera.elevation)];
  camera.right = [ca, sa, 0];
  camera.toward = [ce * sa, -ce * ca, se];
  camera.up = [-se * sa, se * ca, ce];
}

/** Move what is seen by so many µm to the right and up. */
function move(right, up) {
  for (let a = 0; a < 3; a++) camera.focus[a] -= right * camera.right[a] + up * camera.up[a];
}

/** Half of what the box takes across and upward, µm, from where the camera starts. */
function halfExtent() {
  const { right, up } = record.view;
  const seen = (axis) => Math.max(...corners.map((c) => Math.abs(dot(c, axis) - dot(middle, axis))));
  return [seen(right), seen(up)];
}

/** Panels side by side or below each other, whichever shows the tissue larger: {left, top, width, height} in px. */
function panelsOf(n, width, height) {
  const [across, upward] = halfExtent();
  let best = null;
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const [w, h] = [width / columns, height / rows];
    const scale = Math.min(Math.max(0.7 * w, w - 2 * SIDE) / (2 * across), (h - CAPTION - FOOT) / (2 * upward)); // px a µm
    if (!best || scale > best.scale * 1.001) best = { columns, w, h, scale };
  }
  const at = (i) => ({ left: (i % best.columns) * best.w, top: Math.floor(i / best.columns) * best.h });
  const panels = Array.from({ length: n }, (_, i) => ({ ...at(i), width: best.w, height: best.h }));
  return { panels, scale: Math.max(best.scale, 1e-6) };
}

/** Where in a panel a point in µm is seen: px from the panel's left and top, and its nearness to the viewer in µm. */
function project(point, panel, scale) {
  const off = [0, 1, 2].map((a) => point[a] - camera.focus[a]);
  return [
    panel.width / 2 + dot(off, camera.right) * scale,
    centreOf(panel) - dot(off, camera.up) * scale,
    dot(point, camera.toward) - dot(middle, camera.toward),
  ];
}
const centreOf = (panel) => CAPTION + (panel.height - CAPTION - FOOT) / 2;
setBox(record.view.box);
resetCamera();
