// Sizes of files and times of the clock, as they are read.
import { words3 } from "../lib/numbers.js";
import { language } from "../lib/words.js";

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Return a size: 5979913 → "5.98 MB". */
export function bytes(n) {
  let [size, unit] = [n, 0];
  while (size >= 999.5 && unit < UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return `${unit ? words3(size) : Math.round(size)}\u00a0${UNITS[unit]}`;
}

/** Return a time: today's by the hour, others by the day. seconds: since 1970. */
export function when(seconds) {
  const date = new Date(1000 * seconds);
  const today = date.toDateString() === new Date().toDateString();
  const how = today ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(tag(), how).format(date);
}

/** Return a time in full. */
export function moment(seconds) {
  return new Intl.DateTimeFormat(tag(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(1000 * seconds));
}

function tag() {
  return language() === "zh" ? "zh-CN" : "en-GB";
}
