// The cell view: a cell before, what happens to it, and the cell after, hour by hour.
import { make, say, state } from "../lib/dom.js";
import { hours as hoursOf } from "../lib/numbers.js";
import { address, note } from "../lib/place.js";
import { language, t } from "../lib/words.js";
import { bodyOf, queryOf, questionOf } from "./address.js";
import { After } from "./after.js";
import { Bands } from "./bands.js";
import { Before } from "./before.js";
import { Choice } from "./choice.js";
import { GeneMap } from "./map.js";
import { askUntilReady } from "./patience.js";
import { Path } from "./path.js";
import { Player } from "./player.js";
import { Scores } from "./scores.js";
import { Story } from "./story.js";
import { Summary } from "./summary.js";

const GENES = 12; // offered in one search

export async function mount(holder, { query }) {
  const view = new CellView(holder, query);
  view.open();
  return () => view.takeDown();
}

class CellView {
  constructor(holder, query) {
    this.query = query;
    this.gone = new AbortController();
    this.cell = new AbortController(); // of the cell that is being fetched: a later one takes its place
    this.grid = make(holder, "div", { class: "three cell-three" });
    const onGene = (gene) => this.pickGene(gene);
    this.before = new Before(this.grid, { onAnother: () => this.another(), onGene });
    this.middle = make(this.grid, "section", { class: "panel", id: "choice" });
    this.waiting = make(this.middle, "p", { class: "hint", role: "status" }, t("cell.loading"));
    this.after = new After(this.grid, { onGene, onSeek: (hour) => this.player.seek(hour), onPlay: () => this.turnPlay() });
    this.summary = new Summary(holder);
    const results = make(holder, "div", { class: "cell-results" });
    this.path = new Path(results);
    this.bands = new Bands(results, { find: (text) => this.findGenes(text), onPick: onGene });
    this.scores = new Scores(results, { onPoint: (program) => this.outline(program) });
    this.player = new Player({ onMove: (position) => this.move(position), onRest: () => this.rest() });
    this.story = new Story({ onBegun: (told) => this.begun(told), onFrame: (frame) => this.frame(frame), onOver: (how) => this.over(how) });
    this.map = null;
    this.isWanted = false; // Start was pressed before the cell was there
  }

  /** Load what the page needs, and say what it waits for. */
  async open() {
    const { signal } = this.gone;
    try {
      this.before.picture.say(t("cell.loading"), true);
      this.catalogue = await askUntilReady("/api/cell/catalogue", { signal, onWait: ({ seconds }) => this.wait(t("cell.loading-for", { seconds: (seconds ?? 0).toFixed(0) })) });
      this.question = questionOf(this.query, this.catalogue.default);
      this.build();
      await this.fetchCell();
      if (this.query.has("job")) this.resume(this.query.get("job"));
      else this.ready();
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error); // else another cell was asked for meanwhile, or the view was left
    }
  }

  /** The cell is there: what was asked of it before is begun now. */
  ready() {
    state("ready");
    if (this.isWanted) this.start();
  }

  build() {
    this.middle.remove();
    this.choice = new Choice(this.grid, {
      catalogue: this.catalogue, question: this.question, onChange: () => this.keep(),
      onContext: () => this.change(), onStart: () => this.start(), onStop: () => this.story.stop().catch((error) => this.choice.tell({ text: error.message, isFault: true })),
    });
    this.grid.insertBefore(this.choice.panel, this.after.panel);
  }

  wait(text) {
    this.waiting.textContent = text;
  }

  take(told) {
    if (this.map?.panel === told.panel) return;
    this.map = new GeneMap(told);
    for (const part of [this.before, this.after, this.scores]) part.use(this.map);
  }

  /** Fetch the cell that the question begins with, its map and its atlas, and show them. */
  async fetchCell() {
    this.cell.abort();
    this.cell = new AbortController();
    const signal = AbortSignal.any([this.cell.signal, this.gone.signal]);
    const { start, seed, cells } = this.question;
    const busy = (text) => this.before.picture.say(text, true);
    const waits = ({ seconds }) => busy(seconds === undefined ? t("cell.loading") : t("cell.computing", { seconds: Math.round(seconds) }));
    busy(t("cell.drawing"));
    const told = await askUntilReady("/api/cell/before", { method: "POST", body: { start, seed, cells, follow: 0, language: language() }, signal, onWait: waits });
    const { contexts } = this.catalogue;
    const known = contexts.find(({ name }) => name === told.context) ?? contexts.find(({ panel }) => panel === told.panel); // a type of a file may be new
    this.question.read = known.name;
    const of = new URLSearchParams({ context: known.name });
    this.take(await askUntilReady(`/api/cell/map?${of}`, { signal, onWait: waits }));
    signal.throwIfAborted();
    this.told = told;
    this.before.show(told);
    this.before.another.disabled = false;
    this.before.another.hidden = Boolean(start.cell); // that one and no other
    this.clear({ note: t("cell.press"), isBusy: false });
    this.path.begin(told.place);
    this.fetchAtlas(of, signal);
  }

  async fetchAtlas(of, signal) {
    try {
      const onWait = ({ seconds }) => { this.path.told.textContent = t("cell.computing-atlas", { seconds: Math.round(seconds ?? 0) }); };
      const atlas = await askUntilReady(`/api/cell/atlas?${of}&language=${language()}`, { signal, onWait });
      this.path.use(atlas);
    } catch (error) {
      if (!signal.aborted) this.path.told.textContent = error.message;
    }
  }

  /** Another context or another seed: the cell is another, and what was simulated is not its future. */
  async change() {
    this.story.stop().catch(() => {}); // nobody looks at it any more: it ends by itself
    this.story.leave();
    this.isWanted = false;
    this.keep({ job: undefined });
    this.before.darken();
    if (this.map) this.clear({ note: "", isBusy: false });
    state("loading");
    try {
      await this.fetchCell();
      this.choice.tell({ text: "", isRunning: false, share: 0 });
      this.ready();
    } catch (error) {
      if (error.name !== "AbortError") this.fail(error);
    }
  }

  another() {
    this.question.seed += 1;
    this.change();
  }

  keep(more = {}) {
    note({ ...queryOf(this.question), ...more });
  }

  clear({ note: text, isBusy }) {
    this.player.reset({ live: isBusy });
    this.after.begin({ counts: this.before.counts, most: this.before.most, note: text, isBusy });
    this.after.showPlay(false);
    this.bands.reset(this.story.job);
    this.scores.reset();
    this.summary.reset();
  }

  async start() {
    if (this.story.isRunning) return;
    this.isWanted = !this.before.counts;
    if (this.isWanted) return this.choice.tell({ text: t("cell.starts-soon") });
    this.clicked = performance.now();
    delete document.body.dataset.firstFrameMs;
    state("running");
    const watch = this.bands.chosen.slice(0, GENES);
    this.clear({ note: t("cell.asking"), isBusy: true });
    this.choice.tell({ text: t("cell.asking"), isRunning: true, share: 0 });
    try {
      const job = await this.story.start({ ...bodyOf(this.question), follow: 0, watch });
      if (job === null) return;
      this.bands.job = job;
      this.keep({ job });
    } catch (error) {
      this.over({ kind: "failed", error: error.message });
    }
  }

  resume(job) {
    state("running");
    this.clear({ note: t("cell.asking"), isBusy: true });
    this.choice.tell({ text: t("cell.resumed"), isRunning: true, share: 0 });
    this.story.follow(job);
    this.bands.job = job;
  }

  begun({ hours }) {
    this.last = hours;
    for (const part of [this.bands, this.scores]) part.follow(this.after.frames, hours);
    this.path.follow(this.after.frames);
  }

  frame(told) {
    this.after.add(told, this.last);
    this.player.add();
    this.after.showPlay(this.player.isPlaying);
    const text = t("cell.running", { hour: hoursOf(told.hour), hours: hoursOf(this.last), seconds: this.story.seconds().toFixed(1) });
    this.choice.tell({ text, isRunning: true, share: told.hour / this.last });
  }

  move(position) {
    const shown = this.after.k;
    this.after.draw(position);
    if (position > 0 && this.clicked !== undefined) {
      document.body.dataset.firstFrameMs = (performance.now() - this.clicked).toFixed(0);
      this.clicked = undefined;
    }
    if (this.after.k === shown) return;
    for (const part of [this.path, this.bands, this.scores]) part.turn(this.after.k);
  }

  rest() {
    this.after.showPlay(false);
    this.after.describe();
    if (this.ending && (this.player.isAtEnd || !this.player.isLive)) this.finish();
  }

  turnPlay() {
    if (this.player.isPlaying) {
      this.player.isLive = false;
      this.player.pause();
      this.rest();
    } else {
      this.player.replay();
      this.after.showPlay(this.player.isPlaying);
    }
  }

  /** The job is over; what came is still played to its end. */
  over(how) {
    this.ending = how;
    if (how.kind === "failed" || this.player.isAtEnd || !this.player.isLive) this.finish();
  }

  finish() {
    const how = this.ending;
    this.ending = null;
    this.after.picture.say("");
    if (how.kind === "failed") {
      if (!this.after.frames.length) this.after.begin({ counts: this.before.counts, most: this.before.most, note: t("cell.press") });
      this.keep({ job: undefined });
      this.choice.tell({ text: how.error, isFault: true, isRunning: false, share: 0 });
      say(how.error);
      return state("failed");
    }
    for (const part of [this.path, this.bands, this.scores]) part.turn(this.after.k);
    this.after.describe();
    const text = how.kind === "stopped" ? t("cell.stopped", { hour: hoursOf(how.hour) }) : t("cell.finished", { hours: hoursOf(this.last), cells: this.story.cells, seconds: how.seconds.toFixed(1) });
    this.choice.tell({ text, isRunning: false, share: how.kind === "done" ? 1 : how.hour / this.last });
    const spoken = this.summary.show({ how, frame: this.after.frames.at(-1), job: this.story.job, equivalent: this.story.equivalent });
    say(`${text} ${spoken}`);
    state("done");
  }

  fail(error) {
    this.before.picture.say("");
    if (this.choice) this.choice.tell({ text: error.message, isFault: true, isRunning: false });
    else {
      this.waiting.className = "fault";
      this.wait(error.message);
      make(this.middle, "a", { class: "button", href: address("cell"), click: () => location.reload() }, t("shell.again"));
    }
    state("failed");
  }

  pickGene(gene) {
    for (const part of [this.before, this.after]) {
      part.picture.mark([gene]);
      part.picture.tell();
    }
    if (this.after.frames.length) this.bands.choose(this.map.genes[gene]);
  }

  findGenes(text) {
    const genes = text && this.map ? this.map.find(text, GENES) : [];
    return [{ title: "", items: genes.map((gene) => ({ value: gene, text: this.map.genes[gene] })) }];
  }

  outline(program) {
    for (const { picture } of [this.before, this.after]) picture.outline(program);
  }

  takeDown() {
    this.gone.abort();
    this.story.leave();
    this.player.pause();
    for (const part of [this.before, this.after, this.path, this.bands, this.choice]) part?.takeDown();
  }
}
