// Which time is shown, and playing.

async function goTo(t) {
  state.t = Math.max(0, Math.min(record.hours.length - 1, t));
  const now = state.t, number = state.paint, hours = hoursOf(record.hours[now]), { futures } = record;
  element("time").value = now;
  element("time").setAttribute("aria-valuetext", hours);
  element("stamp").textContent = hours;
  const parts = futures.map((f) => (f.frames[now] ? colored(f.frames[now], number) : null));
  const loaded = await awaiting(Promise.all(parts));
  if (now !== state.t || number !== state.paint || futures !== record.futures) return; // asked for another one meanwhile
  state.now = loaded;
  await showSlice();
  if (now !== state.t) return;
  recolor();
  announce("hour", record.hours[now]);
}

/** The last time at which all that are shown have cells; where there is none, the last. */
function newest() {
  const all = record.hours.map((_, t) => record.futures.every(({ frames: parts }) => parts[t]));
  return all.includes(true) ? all.lastIndexOf(true) : record.hours.length - 1;
}

const isLast = () => state.t === record.hours.length - 1;
const pause = () => 1000 / Number(element("speed").value); // ms

/** Go to a time and stay there, as somebody asked to; at the newest one it goes on with the run. */
function holdAt(t) {
  play(false);
  state.follows = t >= newest();
  return goTo(t);
}

function play(on) {
  if (state.playing === on) return;
  state.playing = on;
  showPlay();
  if (on) step(isLast() ? 0 : state.t + 1);
}

function showPlay() {
  const button = element("play");
  button.setAttribute("aria-pressed", String(state.playing));
  button.setAttribute("aria-label", say(state.playing ? "pause" : "play"));
  button.textContent = state.playing ? "❚❚" : "▶";
}

async function step(t) {
  if (!state.playing) return;
  const began = performance.now();
  await goTo(t);
  state.follows = state.t >= newest();
  if (isLast()) play(false);
  else setTimeout(() => step(state.t + 1), Math.max(0, pause() - (performance.now() - began)));
}

function showSpeeds() {
  const speed = element("speed"), chosen = speed.value || 4;
  fillSelect(speed, [1, 2, 4, 8, 16].map((n) => ({ value: n, text: say("speed.of", { n }) })));
  speed.value = chosen;
}

/** Say how many times there are, and which of them are beyond the assay. */
function showTimes() {
  const slider = element("time"), n = record.hours.length;
  slider.max = n - 1;
  slider.disabled = element("play").disabled = n < 2;
  const measured = record.futures.map((f) => f.measured).filter((m) => m != null);
  const until = Math.min(...measured), first = record.hours.findIndex((h) => h > until + 1e-9);
  const isBeyond = measured.length > 0 && first >= 0, late = element("late");
  late.hidden = !isBeyond;
  if (!isBeyond) return;
  late.title = say("late.after", { time: hoursOf(until), late: say("late") });
  late.style.width = `${100 * (1 - Math.max(0, first - 0.5) / Math.max(1, n - 1))}%`;
}

function setUpTime() {
  const slider = element("time");
  showSpeeds();
  showTimes();
  showPlay();
  slider.addEventListener("input", () => holdAt(Number(slider.value)));
  element("play").addEventListener("click", () => play(!state.playing));
  listen("language", () => {
    showSpeeds();
    showTimes();
    showPlay();
    element("stamp").textContent = hoursOf(record.hours[state.t]);
  });
}

let fills = 0; // the latest goes on

/** Unpack all other times while one is looked at, in the colour that is shown. */
async function loadRest() {
  const mine = ++fills, all = record.futures.flatMap((f) => f.frames).filter(Boolean);
  for (const [i, part] of all.entries()) {
    if (!hasRoom(part)) break;
    await colored(part, state.paint);
    if (mine !== fills) return;
    element("loading").textContent = i + 1 < all.length ? say("loading", { i: i + 1, n: all.length }) : "";
    if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve)); // hands come first
  }
  element("loading").textContent = "";
  document.body.dataset.loaded = "all";
}
