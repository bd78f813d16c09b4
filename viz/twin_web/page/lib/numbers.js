// Numbers as they are read: whole ones in groups of three digits, others with three that count.
import { language } from "./words.js";

const MINUS = "\u2212";
const SPACE = "\u00a0";

/** Return a count: 12345 → "12,345". */
export function count(n) {
  return Math.round(n).toLocaleString(language() === "zh" ? "zh-CN" : "en-US").replace("-", MINUS);
}

/** Return a number with three digits that count: 0.012345 → "0.0123", 12345 → "12,300", 1.2e-7 → "1.20×10⁻⁷". */
export function words3(x) {
  if (!Number.isFinite(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e7 || size < 1e-3) return power(x);
  const tag = language() === "zh" ? "zh-CN" : "en-US";
  return x.toLocaleString(tag, { maximumSignificantDigits: 3 }).replace("-", MINUS);
}

/** Return a time in hours: 24 → "24 h", 1.5 → "1.5 h"; the space does not break. */
export function hours(h) {
  const rounded = Number(h.toFixed(2));
  return `${rounded.toLocaleString("en-US", { useGrouping: false }).replace("-", MINUS)}${SPACE}h`;
}

/** Return a share as per cent: 0.123 → "12%"; what is small but not nothing is "<1%". */
export function percent(share) {
  if (share > 0 && share < 0.01) return "<1%";
  return `${Math.round(100 * share)}%`;
}

function power(x) {
  const [digits, exponent] = x.toExponential(2).split("e");
  const raised = [...String(Number(exponent))].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)])).join("");
  return `${digits.replace("-", MINUS)}×10${raised}`;
}
