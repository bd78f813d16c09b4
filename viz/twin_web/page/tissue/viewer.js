// The 3-D viewer of a run: a document of its own in a frame, spoken to by messages.
import { make } from "../lib/dom.js";
import { language } from "../lib/words.js";

/**
 * Put a viewer into `parent`.
 *
 * id, title : of the frame. ask : what it begins with (run, hour, futures, compact, …).
 * on : {ready, camera, picked, opened, hour, hours, futures, fault}: called with what the viewer says.
 * Returns {frame, tell(show), open(ask), take()}: tell it something, show another run in it, take it down.
 */
export function viewer(parent, { id, title, ask, on }) {
  const frame = make(parent, "iframe", { id, class: "viewer", title });
  const tell = (show) => frame.contentWindow?.postMessage({ twin: "viewer", show }, location.origin);
  const hear = ({ source, origin, data }) => {
    if (source !== frame.contentWindow || origin !== location.origin || data?.twin !== "viewer") return;
    for (const [kind, listener] of Object.entries(on)) if (kind in data) listener(data[kind], data);
  };
  const dye = () => tell({ theme: theme() });
  const open = (asked) => {
    const search = new URLSearchParams({ ...asked, theme: theme(), language: language() });
    frame.src = `/tissue/viewer?${search}`;
  };
  addEventListener("message", hear);
  document.addEventListener("theme", dye);
  if (ask) open(ask);
  return {
    frame, tell, open,
    take: () => {
      removeEventListener("message", hear);
      document.removeEventListener("theme", dye);
      frame.remove();
    },
  };
}

const theme = () => document.documentElement.dataset.theme;
