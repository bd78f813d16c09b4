// The line to the server: open, lost (nobody answers), or locked (it was started anew and has another token).
const SHORTEST = 500; // ms until the server is asked again; doubled each time, up to LONGEST
const LONGEST = 5000;
const PROBE = "/api/ping";

const listeners = new Set();
let now = "open";
let waiting = null; // a promise that is kept when the line is open again

/** Return "open", "lost" or "locked". */
export function line() {
  return now;
}

/** Call `listener(state)` whenever the line is lost, locked or open again. */
export function onLine(listener) {
  listeners.add(listener);
}

/** Tell that nobody answered ("lost"), or that the token is another's ("locked"); the server is then asked until it answers. */
export function broken(how) {
  set(how);
  waiting ??= probe();
}

/** Wait until the line is open. */
export async function opened() {
  await waiting;
}

function set(how) {
  if (how === now) return;
  now = how;
  for (const listener of listeners) listener(how);
}

async function probe() {
  for (let pause = SHORTEST; ; pause = Math.min(2 * pause, LONGEST)) {
    await new Promise((wake) => setTimeout(wake, pause));
    try {
      const answer = await fetch(PROBE, { cache: "no-store" });
      if (answer.ok) break;
      if (answer.status === 401) set("locked");
    } catch {
      set("lost");
    }
  }
  waiting = null;
  set("open");
}
