// A picture on which a box is drawn: dragged with the pointer, or moved by arrow keys (with Shift: made larger or
// smaller) and set by Enter; where they move it to is also said.
// data: { source, alt, box }: a picture, what it shows in words, and the box as [left, top, right, bottom] in percent
// Sets the trigger "drawn" to { id, box }.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LEAST = 2; // percent; a smaller drag is a click, and draws nothing

export default function boxPicker({ data, parentElement, setTriggerValue }) {
  const area = parentElement.querySelector(".area");
  const image = area.querySelector("img");
  const frame = area.querySelector("i");
  const status = parentElement.querySelector("[role=status]");
  image.src = data.source;
  image.alt = data.alt;
  area.setAttribute("aria-label", `${data.alt} Arrow keys move the box, with Shift they resize it, Enter sets it.`);
  area.hidden = false;

  let box = data.box ?? [25, 25, 75, 75];
  const show = (visible) => {
    const [left, top, right, bottom] = box;
    Object.assign(frame.style, {
      left: `${left}%`,
      top: `${top}%`,
      width: `${right - left}%`,
      height: `${bottom - top}%`,
      display: visible ? "block" : "none",
    });
  };
  const set = () => setTriggerValue("drawn", { id: Date.now(), box: box.map(Math.round) });
  show(Boolean(data.box));

  const place = (event) => {
    const { left, top, width, height } = image.getBoundingClientRect();
    return [within(((event.clientX - left) / width) * 100), within(((event.clientY - top) / height) * 100)];
  };
  let start = null;
  let before = box;
  area.onpointerdown = (event) => {
    start = place(event);
    before = box;
    box = [...start, ...start];
    area.setPointerCapture(event.pointerId);
    event.preventDefault();
    area.focus();
  };
  area.onpointermove = (event) => {
    if (!start) return;
    const [x, y] = place(event);
    box = [Math.min(start[0], x), Math.min(start[1], y), Math.max(start[0], x), Math.max(start[1], y)];
    show(true);
  };
  area.onpointerup = () => {
    if (!start) return;
    start = null;
    if (box[2] - box[0] >= LEAST && box[3] - box[1] >= LEAST) return set();
    box = before;
    show(Boolean(data.box));
  };
  area.onpointercancel = () => {
    start = null;
    box = before;
    show(Boolean(data.box));
  };
  area.onkeydown = (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return set();
    }
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const [left, top, right, bottom] = box;
    if (event.shiftKey) {
      box = [left, top, within(Math.max(left + LEAST, right + 2 * step[0])), within(Math.max(top + LEAST, bottom + 2 * step[1]))];
    } else {
      const x = Math.min(100 - right, Math.max(-left, 2 * step[0]));
      const y = Math.min(100 - bottom, Math.max(-top, 2 * step[1]));
      box = [left + x, top + y, right + x, bottom + y];
    }
    show(true);
    const [from, above, to, below] = box.map(Math.round);
    status.textContent = `${from} to ${to} % across, ${above} to ${below} % down`;
  };
}

function within(value) {
  return Math.min(100, Math.max(0, value));
}
