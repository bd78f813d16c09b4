// One simulation: begun, followed from wherever the page left it, stopped.
import { ask, follow } from "../lib/ask.js";
import { changes, dense } from "./map.js";

export class Story {
  /** onBegun(event), onFrame(frame), onOver(event of kind done, failed or stopped). */
  constructor({ onBegun, onFrame, onOver }) {
    Object.assign(this, { onBegun, onFrame, onOver, job: null, asked: null, isRunning: false, end: () => {}, turn: 0 });
  }

  /** Ask the server to simulate; returns the job, or null where the page asks for something else by then. */
  async start(body) {
    const mine = ++this.turn;
    this.isRunning = true;
    this.since = performance.now();
    try {
      this.asked = ask("/api/cell/simulate", { method: "POST", body }).then(({ job }) => job);
      const job = await this.asked;
      if (mine === this.turn) return this.follow(job);
      await stopJob(job);
      return null;
    } catch (error) {
      if (mine !== this.turn) return null;
      this.isRunning = false;
      throw error;
    }
  }

  /** Follow a job, which is returned, from its first event on. */
  follow(job) {
    this.turn++;
    this.job = job;
    this.isRunning = true;
    this.since ??= performance.now();
    this.asked = job;
    this.end = follow(`/api/jobs/${encodeURIComponent(job)}/events`, (event) => this.hear(event));
    return job;
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
    if (this.isRunning) await stopJob(await this.asked);
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
