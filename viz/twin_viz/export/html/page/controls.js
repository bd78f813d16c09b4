// The parts of the side panel that say what colours mean, and hide and show.

function make(parent, name, properties, text) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  if (text !== undefined) made.textContent = text;
  return parent.appendChild(made);
}

function fillSelect(select, options) {
  select.replaceChildren();
  for (const { value, text, group } of options) {
    let parent = select;
    if (group) parent = [...select.children].find((g) => g.label === group) || make(select, "optgroup", { label: group });
    make(parent, "option", { value }, text);
  }
}

/** A colour bar with its numbers. shades : RGB bytes. ends : {low, high, label, below, above, log, notes}. */
function colorBar(parent, shades, { low, high, label, below, above, log, notes = [] }) {
  parent.replaceChildren();
  const figure = make(parent, "div", { className: "colorbar" });
  const n = shades.length / 3;
  const canvas = make(figure, "canvas", { width: n, height: 1 });
  const pen = canvas.getContext("2d"), image = pen.createImageData(n, 1);
  for (let i = 0; i < n; i++) image.data.set([...shades.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  pen.putImageData(image, 0, 0);
  const ticks = make(figure, "div", { className: "ticks" });
  const between = log ? logTicks(low, high) : ticksOf(low, high, 4).filter((t) => t > low && t < high);
  const place = (v) => (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low));
  const shown = [[low, (below ? "≤ " : "") + words(low)], ...between.map((t) => [t, words(t)]),
    [high, (above ? "≥ " : "") + words(high)]];
  const width = parent.clientWidth || 280;
  shown.forEach(([value, text], i) => {
    const share = place(value);
    const [from, to] = [share * width - 3.3 * text.length, share * width + 3.3 * text.length]; // px, roughly
    const isEnd = i === 0 || i === shown.length - 1;
    if (!isEnd && (from < 6.6 * shown[0][1].length + 6 || to > width - 6.6 * shown.at(-1)[1].length - 6)) return;
    const tick = make(ticks, "span", { className: i === shown.length - 1 ? "last" : "" }, text);
    tick.style.left = `${100 * share}%`;
  });
  make(figure, "div", { className: "label" }, label);
  for (const note of notes) make(figure, "div", { className: "grey" }, note);
}

function logTicks(low, high) {
  const ticks = [];
  const digits = high / low > 50 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const digit of digits) ticks.push(digit * 10 ** power);
  }
  return ticks.filter((t) => t > low * 1.01 && t < high * 0.99);
}

/** Buttons that hide and show. entries : [{name, color, count, shown, onSwitch}]. */
function chips(parent, entries) {
  const focused = [...parent.children].indexOf(document.activeElement);
  parent.replaceChildren();
  parent.classList.toggle("wide", entries.some(({ name }) => name.length > 14)); // no word is broken
  for (const { name, color, count: n, shown, onSwitch } of entries) {
    const chip = make(parent, "button", { type: "button", className: "chip", title: say(shown ? "hide" : "show") });
    chip.setAttribute("aria-pressed", String(shown));
    const mark = make(chip, "i", {});
    mark.style.borderColor = color;
    mark.style.background = shown ? color : "transparent";
    make(chip, "b", {}, name);
    if (n !== undefined) make(chip, "em", {}, count(n));
    chip.addEventListener("click", onSwitch);
  }
  if (focused >= 0 && parent.children[focused]) parent.children[focused].focus();
}

/** An axis and a place along it. onChange : (axis, at) → nothing. */
function plane(axisSelect, range, output, start, onChange) {
  const state = { axis: start, at: middle[start] };
  const show = () => {
    fillSelect(axisSelect, AXES.map((axis, i) => ({ value: i, text: say("across", { axis }) })));
    axisSelect.value = state.axis;
    Object.assign(range, { min: box[0][state.axis], max: box[1][state.axis], step: edge[state.axis] / 400 });
    range.value = state.at;
    output.textContent = `${AXES[state.axis]} = ${words(Number(state.at.toPrecision(4)))} µm`;
  };
  axisSelect.addEventListener("change", () => {
    state.axis = Number(axisSelect.value);
    state.at = middle[state.axis];
    show();
    onChange();
  });
  range.addEventListener("input", () => {
    state.at = Number(range.value);
    show();
    onChange();
  });
  show();
  return Object.assign(state, { show });
}
