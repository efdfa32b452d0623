// A picture of a mask in which one neuron can be picked: by a click, or by arrow keys and Enter. Where the mark is is
// also said.
// data: { source, alt, width, height, columns, rows }: a picture, what it shows in words, how many cells it has each
// way, and how many channels, parted by a grid. Shrunk, a picture is averaged, and the grid drawn over it.
// Sets the trigger "picked" to { id, x, y }, the cell.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export default function maskPicker({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector(".mask");
  const mark = button.querySelector("i");
  const image = button.querySelector("img");
  const status = parentElement.querySelector("[role=status]");
  const { width, height, columns, rows } = data;
  const fit = () => {
    const shrunk = image.clientWidth * (window.devicePixelRatio || 1) < image.naturalWidth;
    button.classList.toggle("shrunk", shrunk);
  };
  image.onload = fit;
  image.src = data.source;
  image.alt = data.alt;
  button.setAttribute("aria-label", `${data.alt} Arrow keys move the mark, Enter opens the neuron under it.`);
  button.style.setProperty("--columns", columns);
  button.style.setProperty("--rows", rows);
  button.hidden = false;
  const watcher = new window.ResizeObserver(fit);
  watcher.observe(image);

  let cell = [Math.floor(width / 2), Math.floor(height / 2)];
  const pick = ([x, y]) => setTriggerValue("picked", { id: Date.now(), x, y });
  const show = () => {
    mark.style.left = `${((cell[0] + 0.5) / width) * 100}%`;
    mark.style.top = `${((cell[1] + 0.5) / height) * 100}%`;
  };
  show();

  button.onclick = (event) => {
    if (event.detail === 0) return pick(cell); // Enter or Space
    const box = image.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    pick([within(Math.floor(place[0] * width), width), within(Math.floor(place[1] * height), height)]);
  };
  button.onkeydown = (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    cell = [within(cell[0] + far * step[0], width), within(cell[1] + far * step[1], height)];
    show();
    status.textContent = `${cell[0] + 1} of ${width} across, ${cell[1] + 1} of ${height} down`;
  };
  return () => watcher.disconnect();
}

function within(value, count) {
  return Math.min(count - 1, Math.max(0, value));
}
