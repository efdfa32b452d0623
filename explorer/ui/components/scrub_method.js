// A method of scrub.js.
import { hatch, mixed, node, sized, themed, write } from "./scrub_drawing.js";

// One method at the stop that is shown.
export class Method {
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
