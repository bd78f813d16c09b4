// The hours of a simulation as a film: it plays what has come, waits for what comes, and can be wound back.

const PACE = 5; // hours of the simulation a second, replayed; our choice
const CATCH_UP = 0.8; // how much faster for each hour that it lags behind while frames stream in

/**
 * onMove(position) is called for each picture of the film, at = hour, a number between frames; onRest() when it stands
 * still: at the end of what there is, or where it was put. reduced: whether to jump from hour to hour.
 */
export class Player {
  constructor({ onMove, onRest }) {
    Object.assign(this, { onMove, onRest, n: 0, position: 0, isPlaying: false, isLive: false, request: 0, clock: 0 });
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Begin anew: no frames, and what comes is played as it comes. */
  reset({ live }) {
    this.pause();
    Object.assign(this, { n: 0, position: 0, isLive: live });
  }

  /** One frame more is there. */
  add() {
    this.n += 1;
    if (this.n === 1) this.onMove(0);
    else if (this.isLive) this.play();
  }

  /** Show everything that is there at once: of a simulation that went on while the page was away. */
  catchUp() {
    this.position = Math.max(0, this.n - 1);
    this.onMove(this.position);
  }

  get isAtEnd() {
    return this.position >= this.n - 1;
  }

  /** Play on; from the end, from the beginning. */
  replay() {
    if (this.isAtEnd) this.position = 0;
    this.isLive = this.position > 0 && this.isLive;
    this.play();
  }

  play() {
    if (this.isPlaying || this.n < 2) return;
    this.isPlaying = true;
    this.clock = performance.now();
    this.request = requestAnimationFrame(() => this.step());
  }

  pause() {
    cancelAnimationFrame(this.request);
    this.isPlaying = false;
  }

  /** Go to an hour by hand. */
  seek(position) {
    this.pause();
    this.isLive = false;
    this.position = Math.min(Math.max(0, position), Math.max(0, this.n - 1));
    this.onMove(this.position);
    this.onRest();
  }

  step() {
    const now = performance.now(), passed = Math.min(0.1, (now - this.clock) / 1000);
    this.clock = now;
    const behind = this.isLive ? Math.max(0, this.n - 2 - this.position) : 0;
    this.position = Math.min(this.n - 1, this.position + passed * PACE * (1 + CATCH_UP * behind));
    this.onMove(this.calm.matches && !this.isAtEnd ? Math.floor(this.position) : this.position);
    if (this.isAtEnd) {
      this.isPlaying = false;
      this.onRest();
    } else this.request = requestAnimationFrame(() => this.step());
  }
}
