// The bar of scrub.js.
import { across, hatch, line, mixed, node, percent, sized, softened, themed, write } from "./scrub_drawing.js";

export const INSET = 15; // pixels that the bar's ends lie inside it: half the knob
const PLOT = { top: 30, bottom: 100 };
const LANE = { top: 108, height: 8, step: 12 };
const TICKS = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];

// The bar: the target's probability over sparsity, a lane a method that says where the prediction is kept, and a knob.
export class Bar {
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
