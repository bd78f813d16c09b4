// Boxes that stand before the page until they are answered.
import { make } from "../lib/dom.js";
import { t } from "../lib/words.js";

let number = 0;

/**
 * Show a box with a title, and return {box, body, foot, close}; Escape and its "close" button close it.
 *
 * closed: called once, when it is gone.
 */
export function dialog(title, { wide = false, closed = () => {} } = {}) {
  const id = `dialog-${++number}`;
  const box = make(document.body, "dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id });
  const back = document.activeElement;
  const head = make(box, "div", { class: "dialog-head" });
  make(head, "h2", { id }, title);
  const close = () => box.close();
  make(head, "button", { type: "button", class: "button quiet", "aria-label": t("runs.close"), click: close }, "✕");
  const body = make(box, "div", { class: "dialog-body" });
  const foot = make(box, "div", { class: "row dialog-foot" });
  box.addEventListener("close", () => {
    box.remove();
    if (back?.isConnected) back.focus();
    closed();
  });
  box.showModal();
  return { box, body, foot, close };
}

/** Ask a second time, and return whether it is really wanted. */
export function really(title, words, yes) {
  return new Promise((answer) => {
    let sure = false;
    const asked = dialog(title, { closed: () => answer(sure) });
    make(asked.body, "p", {}, words);
    const no = make(asked.foot, "button", { type: "button", class: "button", id: "keep", click: asked.close }, t("runs.keep"));
    make(asked.foot, "button", {
      type: "button", class: "button danger", id: "really",
      click: () => { sure = true; asked.close(); },
    }, yes);
    no.focus();
  });
}
