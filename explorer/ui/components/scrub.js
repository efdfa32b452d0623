// A bar that redraws each method's pathway gradient, layers and answer while it is dragged, without asking the server.
// data: see payload in explorer/views/explore/scrub.py
// Sets the trigger "sparsity" to a stop when a person lets go. The page's own sparsity is the data-sparsity of an
// element beside this one: so the pictures need not be sent again when it changes.

const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -99, End: 99 };
const INSET = 15; // pixels that the bar's ends lie inside it: half the knob
const PLOT = { top: 30, bottom: 100 };
const LANE = { top: 108, height: 8, step: 12 };
const TICKS = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];
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

// The bar: the target's probability over sparsity, a lane a method that says where the prediction is kept, and a knob.
class Bar {
  constructor(element, data) {
    Object.assign(this, { element, data });
    this.canvas = node("canvas", "", { "aria-hidden": "true" });
    const dot = ({ colour }, i) => node("i", i ? "dot square" : "dot", { style: `--method:${colour}` });
    this.dots = data.methods.map(dot);
    this.pill = node("b", "pill");
    this.head = node("div", "head", {}, this.pill, node("i", "stem"), node("i", "knob"));
    element.replaceChildren(this.canvas, ...this.dots, this.head);
    this.head.lastChild.style.top = `${this.middle()}px`;
    element.style.height = `${this.middle() + 42}px`;
    element.setAttribute("aria-valuemin", "0");
    element.setAttribute("aria-valuemax", String(100 * data.stops.at(-1).at));
    const all = data.methods.flatMap(({ stops }) => stops.map(({ p }) => p));
    this.most = Math.min(1, Math.ceil(11 * Math.max(data.original, ...all, 0.01)) / 10) || 1;
  }

  middle() {
    return LANE.top + (this.data.methods.length * LANE.step - (LANE.step - LANE.height)) / 2;
  }

  // Positions: a sparsity's place along the bar is a share of its length, a pixel x counts from its left edge.
  left() {
    return this.element.getBoundingClientRect().left;
  }

  x(place) {
    return INSET + place * (this.width - 2 * INSET);
  }

  y(p) {
    return PLOT.bottom - (p / this.most) * (PLOT.bottom - PLOT.top);
  }

  at(clientX) {
    return Math.min(1, Math.max(0, (clientX - this.left() - INSET) / (this.width - 2 * INSET)));
  }

  nearest(place) {
    const { low, high, share } = this.between(place, false);
    return share < 0.5 ? low : high;
  }

  between(place, soft = true) {
    const { stops } = this.data;
    const high = Math.max(1, stops.findIndex((stop) => stop.place >= place - 1e-9));
    const low = high - 1;
    const share = (place - stops[low].place) / (stops[high].place - stops[low].place);
    return { low, high, share: soft ? softened(share) : share };
  }

  place(sparsity) {
    return across(this.data.stops, "at", "place", sparsity);
  }

  sparsity(place) {
    return across(this.data.stops, "place", "at", place);
  }

  p(method, place) {
    const { low, high, share } = this.between(place, false);
    return mixed(method.stops[low].p, method.stops[high].p, share);
  }

  draw(at) {
    const x = this.x(at);
    this.head.style.transform = `translateX(${x}px)`;
    this.data.methods.forEach((method, i) => {
      this.dots[i].style.transform = `translate(${x}px, ${this.y(this.p(method, at))}px)`;
    });
    const inside = Math.min(Math.max(x, this.half), this.width - this.half);
    this.pill.style.translate = `${inside - x - this.half}px`;
    this.now = at;
  }

  write(sparsity, label, said) {
    this.pill.textContent = label;
    this.half = this.pill.offsetWidth / 2;
    this.draw(this.now);
    this.element.setAttribute("aria-valuenow", percent(sparsity).slice(0, -2));
    this.element.setAttribute("aria-valuetext", `${label}: ${said.join("; ")}`);
  }

  resize() {
    this.width = this.element.clientWidth;
    this.half = this.pill.offsetWidth / 2;
    const { brush } = sized(this.canvas);
    const theme = themed(this.element);
    this.grid(brush, theme);
    this.data.methods.forEach((method, i) => {
      this.lane(brush, theme, method, i);
      this.curve(brush, theme, method, i);
    });
    this.data.methods.forEach((method, i) => this.flips(brush, theme, method, i));
  }

  grid(brush, theme) {
    brush.font = theme.font;
    for (const tick of TICKS) {
      const x = this.x(this.place(tick));
      brush.fillStyle = theme.faint;
      brush.fillRect(Math.round(x), PLOT.top, 1, PLOT.bottom - PLOT.top);
      write(brush, `${Math.round(100 * tick)} %`, x, this.middle() + 36, "center", theme.muted);
    }
    for (const p of [0, this.most]) line(brush, [[this.x(0), this.y(p)], [this.x(1), this.y(p)]], theme.faint, 1);
    const y = this.y(this.data.original);
    line(brush, [[this.x(0), y], [this.x(1), y]], theme.muted, 1.2, [2, 4]);
    const chance = this.y(Math.min(this.data.chance, this.most));
    line(brush, [[this.x(0), chance], [this.x(1), chance]], theme.muted, 1, [8, 5]);
    write(brush, `probability of ${this.data.target}`, this.x(0), PLOT.top - 6, "left", theme.muted);
    write(brush, `${Math.round(100 * this.most)} %`, this.x(1) + INSET, PLOT.top - 6, "right", theme.muted);
  }

  curve(brush, theme, method, i) {
    const points = method.stops.map(({ p }, k) => [this.x(this.data.stops[k].place), this.y(p)]);
    if (!i) line(brush, points, theme.ground, 5); // not under the dashes: what they cover shows between them
    line(brush, points, method.colour, 2.4, i ? [7, 4] : []);
  }

  // From halfway to the stop before to halfway to the next one, for that is where a stop is shown.
  lane(brush, theme, method, i) {
    const { stops } = this.data;
    const [top, last] = [LANE.top + i * LANE.step, stops.length - 1];
    const edge = (k) => Math.round(this.x(mixed(stops[Math.max(k, 0)].place, stops[Math.min(k + 1, last)].place, 0.5)));
    method.stops.forEach(({ kept, near }, k) => {
      brush.fillStyle = kept || near ? method.colour : hatch(brush, method.colour, 0.14);
      brush.fillRect(edge(k - 1), top, edge(k) - edge(k - 1), near ? LANE.height / 2 : LANE.height);
    });
  }

  flips(brush, theme, method, i) {
    const { stops } = this.data;
    const top = LANE.top + i * LANE.step;
    for (let k = 1; k < stops.length; k++) {
      if (method.stops[k].fate === method.stops[k - 1].fate) continue;
      const x = this.x((stops[k - 1].place + stops[k].place) / 2);
      const triangle = [[x - 6, top - 4], [x + 6, top - 4], [x, top + 5], [x - 6, top - 4]];
      line(brush, triangle, theme.ground, 3, [], theme.text);
    }
  }
}

// One method at the stop that is shown.
class Method {
  constructor(method, data, i, pictures) {
    Object.assign(this, { method, data, pictures });
    this.map = node("canvas", "map", { role: "img", "aria-label": `${method.title}: pathway gradient` });
    this.layers = node("canvas", "layers", { role: "img", "aria-label": `${method.title}: neurons kept` });
    [this.low, this.high] = [node("span"), node("span")];
    this.readings = { p_ratio: node("dd"), prediction: node("dd"), dead_share: node("dd") };
    this.logits = method.stops[0].logits.map(() => node("dd"));
    this.answers = Array.from({ length: 5 }, () => node("li", "", {}, node("span"), node("b")));
    this.element = this.assemble(i);
  }

  assemble(i) {
    const { method, data, readings } = this;
    const swatch = node("i", i ? "swatch square" : "swatch");
    const title = node("div", "title", { role: "heading", "aria-level": "3" }, swatch, method.title);
    title.append(node("small", "", {}, method.flips));
    const ramp = node("i", "", { style: `background:linear-gradient(90deg, ${data.scale.join(", ")})` });
    const picture = node("div", "picture", {}, this.map, node("div", "scale", {}, this.low, ramp, this.high));
    const pair = (name, value) => node("div", "", {}, node("dt", "", {}, name), value);
    const facts = node("dl", "readings", {}, pair("p ratio", readings.p_ratio));
    facts.append(pair("Prediction", readings.prediction));
    this.logits.forEach((value, k) => facts.append(pair(method.stops[0].logits[k][0], value)));
    facts.append(pair("Dead share", readings.dead_share));
    const said = node("div", "", {}, facts, node("ol", "answers", {}, ...this.answers));
    const face = node("div", "face", {}, picture, said);
    const [first, last] = [data.sites[0], data.sites.at(-1)].map((name) => node("span", "", {}, name));
    const names = node("div", "ends", {}, first, last);
    return node("section", "method", { style: `--method:${method.colour}` }, title, face, this.layers, names);
  }

  resize() {
    const theme = themed(this.element);
    this.theme = theme;
    this.onMap = sized(this.map);
    this.onLayers = sized(this.layers);
    this.hatched = hatch(this.onLayers.brush, this.data.dead, 0.35);
  }

  draw({ low, high, share }) {
    if (!this.onMap) return;
    const { stops } = this.method;
    this.drawMap(this.pictures.get(stops[low].map), this.pictures.get(stops[high].map), share);
    this.drawLayers(low, high, share);
  }

  drawMap(low, high, share) {
    if (!low || !high) return;
    const { brush, width, height } = this.onMap;
    brush.globalAlpha = 1;
    brush.drawImage(low, 0, 0, width, height);
    brush.globalAlpha = share;
    if (share > 0) brush.drawImage(high, 0, 0, width, height);
  }

  drawLayers(low, high, share) {
    const { method, data, theme } = this;
    const { brush, width, height } = this.onLayers;
    const left = 34;
    brush.clearRect(0, 0, width, height);
    const top = (kept) => height - 1 - Math.sqrt(kept) * (height - 8);
    for (const kept of [0.01, 0.1, 0.5, 1]) {
      brush.fillStyle = theme.faint;
      brush.fillRect(left, top(kept), width - left, 1);
      write(brush, `${100 * kept} %`, left - 5, top(kept) + 4, "right", theme.muted, theme.font);
    }
    const step = (width - left) / data.sites.length;
    data.neurons.forEach((neurons, site) => {
      const [a, b] = [method.stops[low], method.stops[high]];
      const kept = mixed(a.sizes[site], b.sizes[site], share);
      const dead = kept > 0 ? mixed(a.dead[site], b.dead[site], share) / kept : 0;
      const [x, y, wide] = [left + site * step, top(kept / neurons), Math.max(1, step - Math.min(2, step / 4))];
      const tall = height - 1 - y;
      brush.fillStyle = method.colour;
      brush.fillRect(x, y, wide, tall);
      brush.clearRect(x, height - 1 - tall * dead, wide, tall * dead);
      brush.fillStyle = this.hatched;
      brush.fillRect(x, height - 1 - tall * dead, wide, tall * dead);
    });
  }

  write(i) {
    const { readings, method, answers } = this;
    const stop = method.stops[i];
    this.low.textContent = stop.low;
    this.high.textContent = `${stop.high} · own scale`;
    readings.p_ratio.textContent = stop.p_ratio;
    readings.prediction.textContent = stop.fate;
    readings.prediction.className = stop.kept ? "" : "lost";
    this.logits.forEach((value, k) => (value.textContent = stop.logits[k][1]));
    readings.dead_share.textContent = stop.dead_share;
    answers.forEach((item, k) => answer(item, stop.top[k], k === stop.top.length ? stop.rest : ""));
  }

  tell(i, label) {
    const { method, map, layers } = this;
    const stop = method.stops[i];
    map.setAttribute("aria-label", `${method.title} at ${label}: pathway gradient, ${stop.map_said}.`);
    layers.setAttribute("aria-label", `${method.title} at ${label}: neurons kept at each site, ${stop.layers_said}.`);
  }
}

function answer(item, top, rest) {
  const [name, share, words, target] = top ?? [rest, 0, "", false];
  item.className = target ? "target" : top ? "" : "rest";
  item.style.setProperty("--share", `${100 * share}%`);
  item.firstChild.textContent = target ? `${name} ◂` : name;
  item.lastChild.textContent = words;
}

function node(tag, name = "", attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function blob(url) {
  const [head, text] = url.split(";base64,");
  const bytes = Uint8Array.from(window.atob(text), (letter) => letter.charCodeAt(0));
  return new window.Blob([bytes], { type: head.slice(5) });
}

function percent(share) {
  return `${Math.round(1000 * share) / 10} %`;
}

function mixed(a, b, share) {
  return a + (b - a) * share;
}

// A crossfade with a stop's own picture around each stop.
function softened(share) {
  const t = Math.min(1, Math.max(0, (share - 0.2) / 0.6));
  return t * t * (3 - 2 * t);
}

function across(stops, from, to, value) {
  const high = Math.max(1, stops.findIndex((stop) => stop[from] >= value - 1e-9));
  const [a, b] = [stops[high - 1], stops[high]];
  return mixed(a[to], b[to], (value - a[from]) / (b[from] - a[from]));
}

function sized(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const brush = canvas.getContext("2d");
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.imageSmoothingQuality = "high";
  return { brush, width, height };
}

function themed(element) {
  const style = window.getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    text: colour("--st-text-color"),
    ground: colour("--st-background-color"),
    faint: colour("--st-border-color"),
    muted: colour("--muted"),
    font: `12px ${style.fontFamily}`,
  };
}

function write(brush, text, x, y, align, colour, font) {
  if (font) brush.font = font;
  brush.fillStyle = colour;
  brush.textAlign = align;
  brush.fillText(text, x, y);
}

function line(brush, points, colour, width, dashes = [], fill = null) {
  brush.beginPath();
  points.forEach(([x, y], i) => (i ? brush.lineTo(x, y) : brush.moveTo(x, y)));
  Object.assign(brush, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
  brush.setLineDash(dashes);
  brush.stroke();
  brush.setLineDash([]);
  if (fill) Object.assign(brush, { fillStyle: fill }).fill();
}

function hatch(brush, colour, ground) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const ink = tile.getContext("2d");
  ink.fillStyle = ink.strokeStyle = colour;
  ink.globalAlpha = ground;
  ink.fillRect(0, 0, 6, 6);
  ink.globalAlpha = 1;
  ink.lineWidth = 1.6;
  ink.beginPath();
  for (const x of [-6, 0, 6]) [ink.moveTo(x, 6), ink.lineTo(x + 6, 0)];
  ink.stroke();
  return brush.createPattern(tile, "repeat");
}
