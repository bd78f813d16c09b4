// Colours of genes, types and changes: equal steps of lightness in OKLCH, so that no hue shouts.

export const HUES = [225, 155, 75, 25, 350, 300, 190, 110, 255, 50]; // °, of the programs; the map gives neighbours different ones
export const STEPS = 128; // of a ramp
const UP = 62; // °, orange: more than in the untreated twin; told apart from blue by everyone
const DOWN = 243; // °, blue: less
export const FURTHEST = 4; // log2 fold change at which the colours of change end
export const NIGHT = [11, 14, 22]; // RGB of the ground on which genes glow, in light and in dark

/** Return [r, g, b] of 0 … 255. hue: °. */
export function oklch(lightness, chroma, hue) {
  const turn = (hue * Math.PI) / 180, a = chroma * Math.cos(turn), b = chroma * Math.sin(turn);
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * middle + 1.707614701 * short,
  ].map((linear) => {
    const kept = Math.min(1, Math.max(0, linear));
    return Math.round(255 * (kept <= 0.0031308 ? 12.92 * kept : 1.055 * kept ** (1 / 2.4) - 0.055));
  });
}

export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

/** The colour of a program's name and its bar on the page, dark or light. */
export function programColour(colour, isDark) {
  return css(isDark ? oklch(0.78, 0.12, HUES[colour]) : oklch(0.52, 0.12, HUES[colour]));
}

/** Colours of types: as many as asked, neighbours far apart in hue and in lightness. */
export function typeColour(i, isDark) {
  const hue = (28 + i * 137.508) % 360, step = (i % 3) * 0.07;
  return css(isDark ? oklch(0.66 + step, 0.13, hue) : oklch(0.5 + step, 0.13, hue));
}

/** Ramps of all programs, from no count (the tint of the territory) to the most: (hue, step, RGB) flat. */
export function glowRamps() {
  const ramps = new Uint8Array(HUES.length * STEPS * 3);
  HUES.forEach((hue, row) => {
    for (let step = 0; step < STEPS; step++) {
      const share = step / (STEPS - 1);
      const colour = step === 0 ? oklch(0.215, 0.028, hue) : oklch(0.36 + 0.62 * share, 0.075 + 0.26 * share * (1 - share), hue);
      ramps.set(colour, (row * STEPS + step) * 3);
    }
  });
  return ramps;
}

/** One ramp from less (blue) over unchanged (nearly the ground) to more (orange): (2 · STEPS − 1, RGB) flat. */
export function changeRamp() {
  const ramp = new Uint8Array((2 * STEPS - 1) * 3);
  for (let step = -(STEPS - 1); step < STEPS; step++) {
    const share = Math.abs(step) / (STEPS - 1), lift = share ** 0.85;
    ramp.set(oklch(0.23 + 0.66 * lift, 0.012 + 0.15 * Math.sin(Math.min(1, 1.15 * lift) * 2.2), step > 0 ? UP : DOWN), (step + STEPS - 1) * 3);
  }
  return ramp;
}
