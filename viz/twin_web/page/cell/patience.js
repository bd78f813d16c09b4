// Asking for what is still being made: the model that is loaded, the map that is computed.
import { ask } from "../lib/ask.js";

const SOON = 500, LATER = 1000; // ms

const pause = (ms, signal) => new Promise((wake, give) => {
  const timer = setTimeout(wake, ms);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    give(signal.reason);
  }, { once: true });
});

/** Ask until there is an answer; onWait(answer) is told each time that there is none yet. What failed is thrown as its sentence. */
export async function askUntilReady(path, { signal, onWait = () => {}, ...options }) {
  while (true) {
    try {
      const answer = await ask(path, { ...options, signal });
      if (answer.status === "failed") throw new Error(answer.error);
      if (!["loading", "computing"].includes(answer.status)) return answer;
      onWait(answer);
    } catch (error) {
      if (error.status !== 503) throw error;
      onWait({ status: "loading" });
    }
    await pause(options.method ? SOON : LATER, signal);
  }
}
