// Round numbers along an axis.

/** Numbers of 1, 2 or 5 times a power of ten between two ends, some `n` of them. */
export function ticksOf(low, high, n = 4) {
  if (!(high > low)) return [low];
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= raw * (1 - 1e-9));
  return multiples(low, high, step);
}

/** Hours as people read them, between two ends: every 1, 2, 3, 6, 12 or 24, or a round part of one. */
export function hourTicks(first, last, n = 5) {
  const raw = (last - first) / n;
  const steps = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 12, 24, 48, 72, 120, 240];
  return multiples(first, last, steps.find((step) => step >= raw * (1 - 1e-9)) ?? raw);
}

function multiples(low, high, step) {
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}
