// A bar that redraws each method's pathway gradient, layers and answer while it is dragged, without asking the server.
// data: see payload in explorer/views/explore/scrub.py
// Sets the trigger "sparsity" to a stop when a person lets go. The page's own sparsity is the data-sparsity of an
// element beside this one: so the pictures need not be sent again when it changes.
import { Bar, INSET } from "./scrub_bar.js";
import { blob, percent } from "./scrub_drawing.js";
import { Method } from "./scrub_method.js";

const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -99, End: 99 };
const PATIENCE = 4000; // milliseconds in which the page may still tell of where the hand was before

const scrubs = new WeakMap(); // what is drawn in an element: this is called again on it whenever data or theme change

export default function scrub({ data, parentElement, setTriggerValue }) {
  const before = scrubs.get(parentElement);
  before?.stop();
  const kept = before ?? { hand: untouched(), pictures: new Map() };
  const tell = (sparsity) => setTriggerValue("sparsity", sparsity);
  scrubs.set(parentElement, new Scrub(parentElement, data, kept, tell));
  return () => scrubs.get(parentElement)?.close();
}

// at: where the hand is along the bar; goal: where it glides to; held, moved: by a pointer, by keys, and not let go;
// page: the page's sparsity; sent: what was asked of it last, and when.
function untouched() {
  return { at: null, goal: null, off: 0, held: false, moved: false, page: null, sent: null, sentAt: 0 };
}

class Scrub {
  constructor(parent, data, { hand, pictures }, tell) {
    Object.assign(this, { data, hand, pictures, tell, frame: 0, stopped: false, label: null });
    this.root = parent.querySelector(".scrub");
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.bar = new Bar(this.root.querySelector(".bar"), data);
    this.methods = data.methods.map((method, i) => new Method(method, data, i, pictures));
    this.root.querySelector(".methods").replaceChildren(...this.methods.map((method) => method.element));
    this.root.dataset.redraws ??= "0";
    this.root.dataset.ready = "false";
    this.watch((parent.host ?? this.root).closest(".st-key-scrub") ?? this.root.parentNode);
    this.listen(this.bar.element);
    this.decode();
  }

  // What the page says: the sizes, and its sparsity.
  watch(beside) {
    this.beside = beside;
    this.watchers = [new window.ResizeObserver(() => this.resize()), new window.MutationObserver(() => this.read())];
    this.watchers[0].observe(this.root);
    this.watchers[1].observe(beside, { subtree: true, childList: true, attributeFilter: ["data-sparsity"] });
    this.read();
  }

  stop() {
    this.stopped = true;
    window.cancelAnimationFrame(this.frame);
    this.watchers.forEach((watcher) => watcher.disconnect());
  }

  close() {
    this.stop();
    this.pictures.forEach((bitmap) => bitmap.close());
    this.pictures.clear();
  }

  // All pictures once, those that the last data had already not again.
  async decode() {
    const { pictures } = this;
    const urls = new Set(this.data.methods.flatMap(({ stops }) => stops.map(({ map }) => map)));
    const missing = [...urls].filter((url) => !pictures.has(url));
    const bitmaps = await Promise.all(missing.map((url) => createImageBitmap(blob(url))));
    if (this.stopped) return bitmaps.forEach((bitmap) => bitmap.close());
    missing.forEach((url, i) => pictures.set(url, bitmaps[i]));
    for (const url of pictures.keys()) {
      if (urls.has(url)) continue;
      pictures.get(url).close();
      pictures.delete(url);
    }
    this.root.dataset.ready = "true";
    this.redraw();
  }

  read() {
    const { hand } = this;
    const sparsity = Number(this.beside.querySelector("[data-sparsity]")?.dataset.sparsity ?? NaN);
    if (!(sparsity >= 0) || sparsity === hand.page) return;
    const late = hand.sent !== null && sparsity !== hand.sent && window.performance.now() - hand.sentAt < PATIENCE;
    hand.page = sparsity;
    if (late || hand.held || hand.moved) return;
    hand.sent = null;
    this.moveTo(this.bar.place(sparsity));
  }

  resize() {
    this.bar.resize();
    this.methods.forEach((method) => method.resize());
    this.draw(); // now: a canvas is empty once it has another size
  }

  // What a person does.
  listen(bar) {
    bar.onpointerdown = (event) => this.grab(event);
    bar.onpointermove = (event) => this.hand.held && event.isPrimary && this.follow(event);
    bar.onlostpointercapture = () => this.hand.held && this.release();
    bar.onkeydown = (event) => this.press(event);
    bar.onkeyup = bar.onblur = () => this.hand.moved && this.release();
    this.root.classList.toggle("held", this.hand.held);
  }

  grab(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const { hand, bar } = this;
    bar.element.setPointerCapture(event.pointerId);
    hand.held = true;
    hand.goal = null;
    const off = event.clientX - bar.x(hand.at) - bar.left();
    hand.off = Math.abs(off) <= INSET ? off : 0; // who takes the knob by its edge keeps that edge
    this.root.classList.add("held");
    this.follow(event);
  }

  follow(event) {
    this.hand.at = this.bar.at(event.clientX - this.hand.off);
    this.redraw();
  }

  press(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { hand, data } = this;
    const from = hand.goal ?? hand.at;
    const ahead = data.stops.filter(({ place }) => (step > 0 ? place > from + 1e-6 : place < from - 1e-6));
    if (step < 0) ahead.reverse();
    hand.moved = true;
    if (ahead.length) this.moveTo(ahead[Math.min(Math.abs(step), ahead.length) - 1].place);
  }

  release() {
    const { hand, data } = this;
    const stop = data.stops[this.bar.nearest(hand.goal ?? hand.at)];
    hand.held = hand.moved = false;
    this.root.classList.remove("held");
    this.moveTo(stop.place);
    if (stop.at === (hand.sent ?? hand.page)) return;
    hand.sent = stop.at;
    hand.sentAt = window.performance.now();
    this.tell(stop.at);
  }

  moveTo(place) {
    const jump = this.still.matches || this.hand.at === null;
    this.hand.goal = jump ? null : place;
    if (jump) this.hand.at = place;
    this.redraw();
  }

  // One drawing a frame, however many events came before it.
  redraw() {
    this.frame ||= window.requestAnimationFrame(() => {
      this.frame = 0;
      this.glide();
      this.draw();
      this.root.dataset.redraws = String(Number(this.root.dataset.redraws) + 1);
    });
  }

  glide() {
    const { hand } = this;
    if (hand.goal === null) return;
    hand.at += (hand.goal - hand.at) * 0.38;
    if (Math.abs(hand.goal - hand.at) < 0.0015) [hand.at, hand.goal] = [hand.goal, null];
    else this.redraw();
  }

  draw() {
    const { hand, bar, data } = this;
    if (hand.at === null || !bar.width || this.stopped) return;
    const nearest = bar.nearest(hand.at);
    const rests = !hand.held && hand.goal === null;
    const between = rests || this.still.matches ? { low: nearest, high: nearest, share: 0 } : bar.between(hand.at);
    bar.draw(hand.at);
    this.methods.forEach((method) => method.draw(between));
    const { at, label } = data.stops[nearest];
    this.write(nearest, rests ? bar.sparsity(hand.at) : at, rests ? this.restLabel(nearest) : label);
    if (rests) this.methods.forEach((method) => method.tell(nearest, label));
  }

  // The page may rest between two stops.
  restLabel(nearest) {
    const { place, label } = this.data.stops[nearest];
    const own = percent(this.bar.sparsity(this.hand.at));
    return Math.abs(place - this.hand.at) < 1e-6 ? label : `${own}, drawn at ${label}`;
  }

  write(nearest, sparsity, label) {
    if (label === this.label) return;
    this.label = label;
    this.bar.write(sparsity, label, this.data.methods.map(({ title, stops }) => `${title} ${stops[nearest].said}`));
    this.methods.forEach((method) => method.write(nearest));
  }
}
