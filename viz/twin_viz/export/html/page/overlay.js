// What is written over the picture: names of the panels, scale bar, axes, the ring about the picked cell.

const AXES = ["x", "y", "z"];

/** The largest round length of at most so many µm. */
function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * Math.max(...[1, 2, 5].filter((digit) => digit * power <= most));
}

/** Text that stays readable over cells. */
function write(pen, text, x, y, colors) {
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = colors.ground;
  pen.strokeText(text, x, y);
  pen.fillStyle = colors.ink;
  pen.fillText(text, x, y);
}

const EDGES = [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]];

/** Edges of the frame that do not cross what stands in it: none whose two faces both face the viewer. */
function edgesBehind() {
  const faces = (corner, axis) => ((corner >> axis) & 1 ? 1 : -1) * camera.toward[axis] > 1e-6;
  const isInFront = ([corner], axis) => [0, 1, 2].every((other) => other === axis || faces(corner, other));
  return EDGES.filter((pair, i) => !isInFront(pair, i >> 2)).map((pair) => pair.map((c) => frameCorners[c]));
}

/** The outline of the frame at a place along an axis, as pairs of points. */
function outlineAt(axis, at) {
  const [b, c] = [0, 1, 2].filter((a) => a !== axis);
  const points = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([i, j]) => {
    const point = [0, 0, 0];
    point[axis] = at, point[b] = frameBox[i][b], point[c] = frameBox[j][c];
    return point;
  });
  return points.map((point, i) => [point, points[(i + 1) % 4]]);
}

/** Call `drawing` for each panel, with its own place and no other's. */
function inPanels(drawn, ratio, panels, drawing) {
  const pen = drawn.getContext("2d", { willReadFrequently: true }); // drawn by the processor: a card in software is slower
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, drawn.width, drawn.height);
  panels.forEach((panel, i) => {
    pen.setTransform(ratio, 0, 0, ratio, panel.left * ratio, panel.top * ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, panel.width, panel.height);
    pen.clip();
    drawing(pen, panel, i);
    pen.restore();
  });
}

function drawLines(pen, pairs, panel, scale, color) {
  pen.beginPath();
  for (const pair of pairs) {
    const [[x, y], [u, v]] = pair.map((point) => project(point, panel, scale));
    pen.moveTo(x, y);
    pen.lineTo(u, v);
  }
  pen.lineWidth = 1.25;
  pen.strokeStyle = color;
  pen.stroke();
}

/** What is behind the cells: the frame. */
function drawUnder(under, ratio, panels, scale, colors) {
  inPanels(under, ratio, panels, (pen, panel) => drawLines(pen, edgesBehind(), panel, scale, colors.frame));
}

/** What is before the cells. rings : {panel, x, y, radius} in px. cut : what is cut open, and whether. */
function drawOver(over, ratio, panels, scale, colors, rings, cut) {
  inPanels(over, ratio, panels, (pen, panel, i) => {
    if (cut.on) drawLines(pen, outlineAt(cut.axis, cut.at), panel, scale, colors.accent);
    drawEdges(pen, panel, scale, colors);
    if (i === 0) drawTriad(pen, panel, colors);
    drawScale(pen, panel, scale, colors);
    for (const ring of rings) if (ring.panel === i) drawRing(pen, ring, colors);
  });
}

/** The length of each edge of the frame, beside one that is outside in the picture and where there is room. */
function drawEdges(pen, panel, scale, colors) {
  const seen = frameCorners.map((corner) => project(corner, panel, scale));
  const centre = project(middle, panel, scale);
  const taken = [];
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  for (let axis = 0; axis < 3; axis++) {
    const text = `${AXES[axis]} ${words(frameBox[1][axis] - frameBox[0][axis])} µm`;
    const half = pen.measureText(text).width / 2;
    const places = EDGES.slice(4 * axis, 4 * axis + 4).map(([a, b]) => {
      const [x, y] = [0, 1].map((k) => (seen[a][k] + seen[b][k]) / 2), [dx, dy] = [x - centre[0], y - centre[1]];
      const long = Math.hypot(seen[a][0] - seen[b][0], seen[a][1] - seen[b][1]);
      const size = Math.hypot(dx, dy) || 1;
      return { x: x + (half + 7) * (dx / size), y: y + 13 * (dy / size), long };
    });
    const outer = ({ x, y }) => (axis === 2 ? -x : y); // lowest in the picture; z: farthest left
    const isFree = ({ x, y, long }) => long > 26 && x - half > 0 && x + half < panel.width && y > CAPTION
      && taken.every((other) => Math.abs(other.x - x) > other.half + half + 4 || Math.abs(other.y - y) > 15);
    const best = places.filter(isFree).sort((a, b) => outer(b) - outer(a))[0];
    if (!best) continue;
    taken.push({ ...best, half });
    write(pen, text, best.x, best.y, colors);
  }
}

function drawTriad(pen, panel, colors) {
  const [x, y, long] = [36, panel.height - 28, 22];
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let axis = 0; axis < 3; axis++) {
    const [right, up] = [camera.right[axis], camera.up[axis]];
    if (Math.hypot(right, up) < 0.15) continue; // it points at the viewer
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + long * right, y - long * up);
    pen.lineWidth = 2;
    pen.strokeStyle = colors.ink;
    pen.stroke();
    const aside = Math.abs(right) < 0.1 && axis !== 2 ? -10 : 0; // not onto the axis that runs the same way
    write(pen, AXES[axis], x + (long + 9) * right + aside, y - (long + (aside ? 0 : 9)) * up, colors);
  }
}

function drawScale(pen, panel, scale, colors) {
  const length = roundLength((0.28 * panel.width) / scale);
  const [right, y] = [panel.width - 20, panel.height - 16];
  pen.fillStyle = colors.ink;
  pen.fillRect(right - length * scale, y - 2, length * scale, 4);
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  write(pen, `${words(length)} µm`, right - (length * scale) / 2, y - 7, colors);
}

function drawRing(pen, { x, y, radius }, colors) {
  for (const [color, width] of [[colors.ground, 5], [colors.accent, 2.5]]) {
    pen.beginPath();
    pen.arc(x, y, Math.max(radius, 3) + 3, 0, 2 * Math.PI);
    pen.lineWidth = width;
    pen.strokeStyle = color;
    pen.stroke();
  }
}
