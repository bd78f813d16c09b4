// What colours mean: on the card, in the legend, and over time.

const ramp = Object.fromEntries(["expression", "concentration"].map((n) => [n, bytesOf(record.look[n] || "")])); // RGB

/** Hand the colours of the paint, and which types are shown, to the card. */
function sendColors() {
  const paint = paintNow(), bytes = ramp.expression;
  const table = (group, colorOf, hidden) => {
    const rgba = new Uint8Array(4 * group.length);
    group.forEach((g, i) => rgba.set([...channels(colorOf(g)).map((c) => 255 * c), hidden.has(g) ? 0 : 255], 4 * i));
    return rgba;
  };
  const shades = (_, i) => (i % 4 < 3 ? bytes[3 * (i >> 2) + (i % 4)] : 255);
  const colors = paint.names ? table(paint.group, (g) => paint.legend[g].color, hiddenOf(state.paint))
    : Uint8Array.from({ length: (4 * bytes.length) / 3 }, shades);
  painter.fill(painter.table, colors);
  painter.fill(painter.kinds, table(typesOf().group, () => "#ffffff", state.hiddenTypes));
}

/** How many cells of each category there are now, over all panels. */
function tally(number) {
  const { group, bodies, legend } = record.paints[number], sums = legend.map(() => 0);
  for (const frame of state.now) {
    const codes = frame && codesOf(frame, number);
    for (let i = 0; frame && i < frame.n; i++) if ((frame.alive[i] || bodies) && codes[i] !== NONE) sums[group[codes[i]]]++;
  }
  return sums;
}

const flip = (set, item) => { if (!set.delete(item)) set.add(item); };

function entriesOf(number, hidden) {
  const sums = tally(number), isType = number === record.types;
  const entries = record.paints[number].legend.map(({ name, color, seen }, g) => ({
    name: isType ? name : term(name), color, count: sums[g], shown: !hidden.has(g), seen,
    onSwitch: () => { flip(hidden, g); recolor(); },
  }));
  return entries.filter(({ seen }) => seen !== false);
}

function deadEntry() {
  let n = 0;
  for (const frame of state.now) for (let i = 0; frame && i < frame.n; i++) n += frame.alive[i] ? 0 : 1;
  const onSwitch = () => { state.dead = !state.dead; recolor(); };
  return { name: say("dead"), color: record.look.nothing, count: n, shown: state.dead, onSwitch };
}

function showLegend() {
  const paint = paintNow(), isType = state.paint === record.types;
  const dead = record.bodies ? [deadEntry()] : [];
  element("bar").replaceChildren();
  if (paint.names) {
    chips(element("legend"), [...entriesOf(state.paint, hiddenOf(state.paint)), ...(paint.bodies ? [] : dead)]);
  } else {
    chips(element("legend"), []);
    const grey = [record.bodies && say("dead"), paint.gaps && say("no value")].filter(Boolean);
    const what = grey.length === 2 ? say("or", { a: grey[0], b: grey[1] }) : grey[0];
    const notes = [what && say("grey", { what }), noteOf(paint)].filter(Boolean);
    colorBar(element("bar"), ramp.expression, { ...paint, label: labelOf(paint), above: paint.clipped, notes });
  }
  element("kinds").hidden = isType;
  chips(element("types"), [...entriesOf(record.types, state.hiddenTypes), ...(paint.names ? [] : dead)]);
}

function showCurves() {
  const paint = paintNow(), { legend } = paint.names ? paint : typesOf();
  const hidden = paint.names ? hiddenOf(state.paint) : state.hiddenTypes;
  const what = titleOf(paint);
  element("course-title").textContent = say(paint.names ? "course.counts" : "course.means", { what });
  const curves = element("curves"), courses = record.futures.map((future) => curvesOf(future, state.paint));
  curves.replaceChildren();
  const all = courses.flat(2).map(([, v]) => v).filter((v) => v !== null);
  const most = Math.max(...all, -Infinity);
  const low = paint.names ? 0 : Math.min(paint.low, ...all);
  record.futures.forEach((future, i) => {
    const lines = courses[i].map((points, g) => ({ ...legend[g], points }));
    chart(curves, {
      title: future.name, lines: lines.filter(({ seen }, g) => seen !== false && !hidden.has(g)), low, high: most > low ? most : low + 1,
      late: future.measured, height: record.futures.length > 1 ? 112 : 150, now: record.hours[state.t], onTime: goTo,
      label: `${element("course-title").textContent}${future.name ? `, ${future.name}` : ""}`,
    });
  });
}

/** Show anew whatever depends on the paint, the time, or what is hidden. */
function recolor() {
  if (painter) {
    sendColors();
    state.now.forEach((frame, i) => painter.load(i, frame, state.paint));
  }
  showLegend();
  showCurves();
  showPicked();
  showCaptions();
  redraw();
}
