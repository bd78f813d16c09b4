// Work that follows changes: after the last of several, and never twice at a time.

/**
 * Do `work` (an async function) once nothing has changed for `pause` ms; a change meanwhile has it done again.
 *
 * Returns soon(), to be called at a change; settled(), kept when no work goes on; and end().
 */
export function latest(work, pause) {
  let timer = 0, going = null, isOver = false;

  function soon(wait = pause) {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(turn, wait);
  }

  async function turn() {
    if (going) return void going.then(() => soon(0));
    going = work();
    try {
      await going;
    } finally {
      going = null;
    }
  }

  return {
    soon,
    settled: async () => {
      clearTimeout(timer);
      while (going) await going;
    },
    end: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
