// In words: how many cells, how long something lasts, and how a future is called.
import { count, words3 } from "../lib/numbers.js";
import { t } from "../lib/words.js";

/** Return so many cells: "2,000 cells". */
export function cellsOf(n) {
  return t(n === 1 ? "tissue.cell" : "tissue.cells", { n: count(n) });
}

/** Return how long something lasts, as people say it. */
export function lasting(seconds) {
  if (!Number.isFinite(seconds)) return "–"; // null: nobody knows yet
  if (seconds < 90) return t("tissue.lasts.s", { n: Math.max(1, Math.round(seconds)) });
  if (seconds < 5400) return t("tissue.lasts.min", { n: Math.round(seconds / 60) });
  return t("tissue.lasts.h", { n: words3(seconds / 3600) });
}

/** Return how a future is called: what nobody named is what was planned. */
export function futureOf(name) {
  return name === "" || name === "trunk" ? t("tissue.trunk") : name;
}
