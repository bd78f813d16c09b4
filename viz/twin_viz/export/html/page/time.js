// Which time is shown, and playing.

async function goTo(t) {
  state.t = Math.max(0, Math.min(record.hours.length - 1, t));
  const now = state.t, hours = hoursOf(record.hours[now]);
  element("time").value = now;
  element("time").setAttribute("aria-valuetext", hours);
  element("stamp").textContent = hours;
  document.body.dataset.state = "moving";
  const loaded = await Promise.all(record.futures.map((f) => (f.frames[now] ? frameOf(f.frames[now]) : null)));
  if (now !== state.t) return; // asked for another one meanwhile
  state.now = loaded;
  await showSlice();
  if (now === state.t) recolor();
}

const isLast = () => state.t === record.hours.length - 1;
const pause = () => 1000 / Number(element("speed").value); // ms

function play(on) {
  if (state.playing === on) return;
  state.playing = on;
  showPlay();
  if (on) step(isLast() ? 0 : state.t + 1);
}

function showPlay() {
  const button = element("play");
  button.setAttribute("aria-pressed", String(state.playing));
  button.setAttribute("aria-label", state.playing ? "Pause" : "Play");
  button.textContent = state.playing ? "❚❚" : "▶";
}

async function step(t) {
  if (!state.playing) return;
  const began = performance.now();
  await goTo(t);
  if (isLast()) play(false);
  else setTimeout(() => step(state.t + 1), Math.max(0, pause() - (performance.now() - began)));
}

function setUpTime() {
  const slider = element("time");
  fillSelect(element("speed"), [1, 2, 4, 8, 16].map((n) => ({ value: n, text: `${n} times a second` })));
  element("speed").value = 4;
  slider.max = record.hours.length - 1;
  slider.disabled = element("play").disabled = record.hours.length < 2;
  slider.addEventListener("input", () => { play(false); goTo(Number(slider.value)); });
  element("play").addEventListener("click", () => play(!state.playing));
  showPlay();
  const measured = record.futures.map((f) => f.measured).filter((m) => m !== null);
  const until = Math.min(...measured), first = record.hours.findIndex((h) => h > until + 1e-9);
  if (measured.length === 0 || first < 0) return;
  element("late").hidden = false;
  element("late").title = `after ${hoursOf(until)}: ${record.look.late}`;
  element("late").style.width = `${100 * (1 - Math.max(0, first - 0.5) / Math.max(1, record.hours.length - 1))}%`;
}

/** Unpack all other times while the first one is looked at. */
async function loadRest() {
  const all = record.futures.flatMap((f) => f.frames).filter(Boolean);
  for (const [i, one] of all.entries()) {
    await frameOf(one);
    element("loading").textContent = i + 1 < all.length ? `loading ${i + 1} of ${all.length}` : "";
    if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve)); // hands come first
  }
  document.body.dataset.loaded = "all";
}
