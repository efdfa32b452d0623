// What scrub.js draws with.

export function node(tag, name = "", attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function blob(url) {
  const [head, text] = url.split(";base64,");
  const bytes = Uint8Array.from(window.atob(text), (letter) => letter.charCodeAt(0));
  return new window.Blob([bytes], { type: head.slice(5) });
}

export function percent(share) {
  return `${Math.round(1000 * share) / 10} %`;
}

export function mixed(a, b, share) {
  return a + (b - a) * share;
}

// A crossfade with a stop's own picture around each stop.
export function softened(share) {
  const t = Math.min(1, Math.max(0, (share - 0.2) / 0.6));
  return t * t * (3 - 2 * t);
}

export function across(stops, from, to, value) {
  const high = Math.max(1, stops.findIndex((stop) => stop[from] >= value - 1e-9));
  const [a, b] = [stops[high - 1], stops[high]];
  return mixed(a[to], b[to], (value - a[from]) / (b[from] - a[from]));
}

export function sized(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const brush = canvas.getContext("2d");
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.imageSmoothingQuality = "high";
  return { brush, width, height };
}

export function themed(element) {
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

export function write(brush, text, x, y, align, colour, font) {
  if (font) brush.font = font;
  brush.fillStyle = colour;
  brush.textAlign = align;
  brush.fillText(text, x, y);
}

export function line(brush, points, colour, width, dashes = [], fill = null) {
  brush.beginPath();
  points.forEach(([x, y], i) => (i ? brush.lineTo(x, y) : brush.moveTo(x, y)));
  Object.assign(brush, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
  brush.setLineDash(dashes);
  brush.stroke();
  brush.setLineDash([]);
  if (fill) Object.assign(brush, { fillStyle: fill }).fill();
}

export function hatch(brush, colour, ground) {
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
