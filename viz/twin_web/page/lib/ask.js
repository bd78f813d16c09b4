// Questions to the server, and the events of what it does.
import { broken, opened } from "./line.js";
import { t } from "./words.js";

const SILENCE = 20000; // ms without a sign of life (the server gives one every 2 s) after which a line is given up
const LAST = ["done", "failed", "stopped"];

/** What the server says is wrong, in a sentence; status 0: nobody answered. */
export class Told extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Ask the server, and return its JSON.
 *
 * body: an object goes as JSON; a File, a Blob, bytes or FormData go as they are. signal: of an AbortController.
 */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const answer = await reach(path, { method, signal, ...packed(body) });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

/**
 * Follow the events of a job: onEvent(event, number) for each, once, in order, to the last.
 *
 * A lost connection is made again, from the event after the last one that came. `after`: the number of the last event
 * that is known already. A job that the server does not know ends as an event of kind "failed" with its `error`.
 * Returns stop().
 */
export function follow(path, onEvent, { after = -1 } = {}) {
  const end = new AbortController();
  listen(path, onEvent, after, end.signal).catch((error) => {
    if (!end.signal.aborted) reportError(error); // of onEvent: a fault of the page, not of the line
  });
  return () => end.abort();
}

async function listen(path, onEvent, after, signal) {
  let last = after;
  let pause = 250; // ms before a stream that the server closed is asked for again
  while (!signal.aborted) {
    let answer;
    try {
      answer = await reach(path, { signal, headers: last >= 0 ? { "Last-Event-ID": String(last) } : {} });
    } catch (error) {
      if (signal.aborted) return;
      if (error.status !== 0) throw error;
      await opened();
      continue;
    }
    if (answer.status === 401) {
      await refusal(answer);
      await opened();
      continue;
    }
    if (!answer.ok) {
      const { message } = await refusal(answer);
      onEvent({ kind: "failed", error: message }, last + 1);
      return;
    }
    for await (const { number, event } of eventsOf(answer.body, signal)) {
      if (signal.aborted) return;
      if (number <= last) continue;
      [last, pause] = [number, 250];
      onEvent(event, number);
      if (LAST.includes(event.kind)) return;
    }
    if (signal.aborted) return;
    await new Promise((wake) => setTimeout(wake, pause));
    pause = Math.min(2 * pause, 8000);
  }
}

/** Yield {number, event} of a stream of events until it ends, breaks or falls silent. */
async function* eventsOf(stream, signal) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await heard(reader);
      if (done || signal.aborted) return;
      const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const found = fields(block);
        if (found.data !== undefined) yield { number: Number(found.id), event: JSON.parse(found.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // a line that is broken has nothing left to give back
  }
}

async function heard(reader) {
  let timer;
  const silent = new Promise((give) => { timer = setTimeout(() => give({ done: true }), SILENCE); });
  try {
    return await Promise.race([reader.read(), silent]);
  } catch {
    return { done: true };
  } finally {
    clearTimeout(timer);
  }
}

function fields(block) {
  const found = {};
  for (const row of block.split("\n")) {
    const at = row.indexOf(":");
    if (at > 0) found[row.slice(0, at)] = (found[row.slice(0, at)] ?? "") + row.slice(at + 1).replace(/^ /, "");
  }
  return found;
}

function packed(body) {
  if (body === undefined) return {};
  const isPlain = body === null || [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(body));
  return isPlain ? { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : { body };
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    broken("lost");
    throw new Told(t("shell.unreachable"), 0);
  }
}

async function refusal(answer) {
  if (answer.status === 401) broken("locked");
  const told = await answer.json().catch(() => ({}));
  const without = answer.status >= 500 ? t("shell.mistake") : t("shell.failed", { status: answer.status });
  return new Told(told.error ?? without, answer.status);
}
