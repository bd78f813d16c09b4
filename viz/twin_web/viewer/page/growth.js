// The run goes on: more times, more futures. The newest is shown, unless somebody holds another one.

const OFTEN = 1000, SELDOM = 4000; // ms between looks for news: while somebody runs it, and else; our choice

/** Take in what there is to see now. */
async function grow(fresh) {
  const hour = record.hours[state.t], before = record.hours.length, ids = record.futures.map(({ id }) => id).join();
  const known = new Map(record.futures.map((future) => [future.id, future]));
  const { futures, all, hours, going } = fresh;
  const kept = futures.map((one) => ({ ...known.get(one.id), ...one }));
  Object.assign(record, { futures: kept, all, hours, going });
  painter?.seat(kept.length);
  state.t = Math.max(0, at(hour));
  showTimes();
  showNotes();
  if (kept.map(({ id }) => id).join() !== ids) {
    if (state.picked) take(null);
    announce("futures");
  }
  if (hours.length !== before) announce("hours");
  await goTo(state.follows && !state.playing ? newest() : state.t);
  showStanding();
  await loadRest();
}

async function lookForNews() {
  const fresh = await newScene();
  if (fresh && fresh.hours.length) await grow(fresh);
}

/** Look for news again and again; a page that nobody sees does not ask. */
async function watch() {
  for (;;) {
    await wait(record.going ? OFTEN : SELDOM);
    if (!document.hidden) await lookForNews().catch(failed);
  }
}

/** Show these futures side by side. */
async function chooseFutures(ids) {
  chosen = ids.filter((id) => record.all.some((one) => one.id === id));
  tag = null;
  await lookForNews();
}

/** Say whether it goes on, beside the clock, and how far it is, for whoever tests. */
function showStanding() {
  element("going").hidden = !record.going;
  element("going").textContent = say("going");
  const { hours, futures, going } = record;
  Object.assign(document.body.dataset, { hours: hours.length, futures: futures.length, going });
}

listen("begun", () => {
  make(element("clock"), "span", { id: "going", hidden: true });
  showStanding();
  listen("language", showStanding);
});
listen("drawn", watch);
listen("hour", (hour) => {
  const cells = state.now.reduce((sum, frame) => sum + (frame ? frame.n : 0), 0);
  Object.assign(document.body.dataset, { hour, cells, color: paintNow().name });
});
