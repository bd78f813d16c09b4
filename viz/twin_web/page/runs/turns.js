// Streams of events, two at a time: a browser has six lines to one server, and the page needs some for itself.
import { follow } from "../lib/ask.js";

const MOST = 2;
const waiting = [];
let open = 0;

/** Follow a job when it is its turn; the events of a job that began before are told then. Returns stop(). */
export function followInTurn(job, onEvent) {
  const turn = { job, onEvent, stop: null, over: false };
  waiting.push(turn);
  next();
  return () => end(turn);
}

function next() {
  while (open < MOST && waiting.length) begin(waiting.shift());
}

function begin(turn) {
  open += 1;
  turn.stop = follow(`/api/jobs/${turn.job}/events`, (event) => {
    if (["done", "failed", "stopped"].includes(event.kind)) end(turn);
    turn.onEvent(event);
  });
}

function end(turn) {
  if (turn.over) return;
  turn.over = true;
  const at = waiting.indexOf(turn);
  if (at >= 0) waiting.splice(at, 1);
  if (!turn.stop) return;
  turn.stop();
  open -= 1;
  next();
}
