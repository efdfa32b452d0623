// A button that saves a chart of this page as a PNG: as it looks now, with what it was made from written under it.
// Every run of the page calls this again on the same elements, so it keeps nothing but what they hold.

const SCALE = 2;
const MARGIN = 20;
const LINE = 18;

export default function chartPng({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  button.setAttribute("aria-label", `PNG of ${data.what}`);
  button.onclick = async () => {
    const plot = document.querySelector(`.st-key-${CSS.escape(data.chart)} .js-plotly-plot`);
    if (plot) save(await picture(plot, data), data.name);
  };
}

async function picture(plot, { title, notes }) {
  const box = plot.getBoundingClientRect();
  const page = getComputedStyle(document.querySelector("[data-testid=stApp]"));
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const small = `12px ${page.fontFamily}`;
  pen.font = small;
  const lines = notes.flatMap((note) => wrapped(pen, note, box.width));
  const top = MARGIN + 1.5 * LINE;
  canvas.width = SCALE * (box.width + 2 * MARGIN);
  canvas.height = SCALE * (top + box.height + lines.length * LINE + 2 * MARGIN);
  pen.scale(SCALE, SCALE);
  pen.fillStyle = page.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.textBaseline = "top";
  pen.fillStyle = page.color;
  pen.font = `600 15px ${page.fontFamily}`;
  pen.fillText(title, MARGIN, MARGIN);
  for (const svg of plot.querySelectorAll("svg.main-svg")) {
    const at = svg.getBoundingClientRect();
    pen.drawImage(await drawn(svg, at), at.x - box.x, top + at.y - box.y, at.width + 2 * MARGIN, at.height);
  }
  pen.font = small;
  pen.globalAlpha = 0.8;
  lines.forEach((line, place) => pen.fillText(line, MARGIN, top + box.height + MARGIN / 2 + place * LINE));
  return canvas;
}

async function drawn(svg, { width, height }) {
  const copy = svg.cloneNode(true);
  const texts = svg.querySelectorAll("text"); // in the page's colours, which may be its style sheet's
  copy.querySelectorAll("text").forEach((text, i) => (text.style.fill = getComputedStyle(texts[i]).fill));
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const wide = width + 2 * MARGIN; // letters may be wider than on the page, whose font a picture does not have
  copy.setAttribute("width", SCALE * wide);
  copy.setAttribute("height", SCALE * height);
  copy.setAttribute("viewBox", `${-MARGIN} 0 ${wide} ${height}`);
  copy.style.background = "none";
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
}

function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width > width && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

function save(canvas, name) {
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = name;
  link.click();
}
