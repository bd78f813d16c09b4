// One simulation: begun, followed from wherever the page left it, stopped.
import { ask, follow } from "../lib/ask.js";
import { changes, dense } from "./map.js";

export class Story {
  /** onBegun(event), onFrame(frame), onOver(event of kind done, failed or stopped). */
  constructor({ onBegun, onFrame, onOver }) {
    Object.assign(this, { onBegun, onFrame, onOver, job: null, isRunning: false, end: () => {}, turn: 0 });
  }

  /** Ask the server to simulate. */
  async start(body) {
    const mine = ++this.turn;
    this.isRunning = true;
    this.since = performance.now();
    try {
      const { job } = await ask("/api/cell/simulate", { method: "POST", body });
      if (mine === this.turn) this.follow(job);
      else await stopJob(job); // the page asks for something else by now
    } catch (error) {
      this.isRunning = false;
      throw error;
    }
  }

  /** Follow a job from its first event on. */
  follow(job) {
    this.turn++;
    this.job = job;
    this.isRunning = true;
    this.since ??= performance.now();
    this.end = follow(`/api/jobs/${encodeURIComponent(job)}/events`, (event) => this.hear(event));
  }

  hear(event) {
    if (event.kind === "begun") {
      Object.assign(this, { genes: event.genes, cells: event.cells, equivalent: event.equivalent });
      this.onBegun(event);
    } else if (event.kind === "frame") {
      this.onFrame({ ...event, counts: dense(event.counts, this.genes), change: changes(event.change) });
    } else if (["done", "failed", "stopped"].includes(event.kind)) {
      this.isRunning = false;
      this.onOver(event);
    }
  }

  seconds() {
    return (performance.now() - this.since) / 1000;
  }

  /** Stop the job; its last event says that it has stopped. */
  async stop() {
    if (this.isRunning) await stopJob(this.job);
  }

  /** Hear no more of it; a job that goes on is not stopped: a page that is reloaded finds it again. */
  leave() {
    this.turn++;
    this.end();
    this.isRunning = false;
    this.since = undefined;
  }
}

const stopJob = (job) => ask(`/api/jobs/${encodeURIComponent(job)}`, { method: "DELETE" });
