// The slice through a substance, and the cut through the cells.

const facing = Math.abs(record.view.toward[0]) > Math.abs(record.view.toward[1]) ? 0 : 1; // across which one sees most

/** Colours of the voxels that the slice goes through: {rgba, width, height, quad} of one panel. shade : rise and offset of its line. */
function sliceOf(codes, [rise, offset], grid) {
  const edges = AXES.map((axis) => grid[axis]);
  const size = edges.map((e) => e.length - 1), ends = edges.map((e) => [e[0], e[e.length - 1]]);
  const [b, c] = [0, 1, 2].filter((a) => a !== slice.axis);
  const share = (slice.at - ends[slice.axis][0]) / (ends[slice.axis][1] - ends[slice.axis][0]);
  const k = Math.max(0, Math.min(size[slice.axis] - 1, Math.floor(share * size[slice.axis])));
  const strides = [1, size[0], size[0] * size[1]];
  const start = k * strides[slice.axis];
  const rgba = new Uint8Array(4 * size[b] * size[c]), shades = ramp.concentration;
  for (let row = 0, out = 0; row < size[c]; row++) {
    for (let column = 0; column < size[b]; column++, out += 4) {
      const code = codes[start + column * strides[b] + row * strides[c]];
      const shade = code ? 3 * Math.max(0, Math.min(255, Math.round(rise * code + offset))) : 0;
      rgba[out] = shades[shade], rgba[out + 1] = shades[shade + 1], rgba[out + 2] = shades[shade + 2];
      rgba[out + 3] = 255;
    }
  }
  const quad = [[0, 0], [1, 0], [0, 1], [1, 1]].flatMap(([u, v]) => {
    const point = [0, 0, 0];
    point[slice.axis] = slice.at, point[b] = ends[b][u], point[c] = ends[c][v];
    return [...point, u, v]; // place, and where in the picture of the voxels
  });
  return { rgba, width: size[b], height: size[c], quad };
}

async function showSlice() {
  if (!slice || !painter) return;
  const { t } = state, number = Number(element("substance").value);
  const volumes = await Promise.all(record.futures.map((future) => (slice.on ? volumeOf(future, t) : null)));
  if (t !== state.t || !painter || volumes.length !== painter.panels.length) return; // asked for something else meanwhile
  volumes.forEach((volume, i) => {
    const panel = painter.panels[i];
    panel.hasSlice = volume !== null;
    if (!volume) return;
    const { rgba, width, height, quad } = sliceOf(volume.codes(number), volume.shade(number), volume.grid);
    painter.image(panel.slice, rgba, width, height);
    panel.quad = quad;
  });
}

function setUpSlice() {
  if (!record.substances.length) return;
  const [on, substance, button, bar] = ["slice-on", "substance", "slice-cut", "field-bar"].map(element);
  element("field").hidden = false;
  fillSelect(substance, record.substances.map((s, i) => ({ value: i, text: s.name })));
  const changed = async () => {
    bar.hidden = button.hidden = !slice.on;
    await awaiting(showSlice());
    const told = record.substances[Number(substance.value)], label = say("logarithmic", told);
    if (told.high) colorBar(bar, ramp.concentration, { ...told, below: told.clipped, above: false, log: true, label });
    redraw();
  };
  const moved = () => {
    slice.on = on.checked = true;
    changed();
  };
  slice = plane(element("slice-axis"), element("slice-at"), element("slice-place"), facing, moved);
  slice.on = false;
  on.addEventListener("change", () => { slice.on = on.checked; changed(); });
  substance.addEventListener("change", moved);
  button.addEventListener("click", () => {
    const below = camera.toward[slice.axis] > 0; // what is nearer to the viewer goes
    Object.assign(cut, { on: true, axis: slice.axis, at: slice.at, below });
    cut.show();
    recolor();
  });
  slice.changed = changed;
  listen("language", () => { slice.show(); changed(); });
  changed();
}

function setUpCut() {
  const [on, side] = ["cut-on", "cut-side"].map(element);
  const changed = () => {
    Object.assign(cut, { on: true, below: side.value !== "above" });
    cut.show();
    recolor();
  };
  cut = plane(element("cut-axis"), element("cut-at"), element("cut-place"), facing, changed);
  Object.assign(cut, { on: false, below: record.view.toward[facing] > 0 });
  const showPlace = cut.show;
  cut.show = () => {
    showPlace();
    on.checked = cut.on;
    const axis = AXES[cut.axis];
    fillSelect(side, ["below", "above"].map((value) => ({ value, text: say(`keep.${value}`, { axis }) })));
    side.value = cut.below ? "below" : "above";
  };
  cut.show();
  listen("language", cut.show);
  on.addEventListener("change", () => { cut.on = on.checked; recolor(); });
  side.addEventListener("change", changed);
}
