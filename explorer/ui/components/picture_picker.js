// A gallery of photos as one radio group, and a place to paste one.
// data: { pictures: [{ name, title, source }], chosen, longest }
// Sets the trigger "picked" to a name, or "pasted" to { id, url } with the pasted picture as a JPEG data URL.

const KEYS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export default function picturePicker({ data, parentElement, setTriggerValue }) {
  const group = parentElement.querySelector(".gallery");
  const pick = (name) => name !== data.chosen && setTriggerValue("picked", name);
  const held = group.getRootNode().activeElement?.dataset.name; // the keyboard stays where it is
  group.replaceChildren(...data.pictures.map((picture) => button(picture, picture.name === data.chosen, pick)));
  [...group.children].find(({ dataset }) => dataset.name === held)?.focus();
  group.onkeydown = (event) => {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...group.children];
    const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
    next.focus();
    pick(next.dataset.name);
  };

  const paste = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    downscaled(file, data.longest)
      .then((url) => setTriggerValue("pasted", { id: Date.now(), url }))
      .catch(() => setTriggerValue("pasted", { id: Date.now(), url: "" }));
  };
  document.addEventListener("paste", paste);
  return () => document.removeEventListener("paste", paste);
}

function button({ name, title, source }, chosen, pick) {
  const element = document.createElement("button");
  element.type = "button";
  element.setAttribute("role", "radio");
  element.setAttribute("aria-checked", String(chosen));
  element.tabIndex = chosen ? 0 : -1;
  element.title = title;
  element.dataset.name = name;
  const image = document.createElement("img");
  image.src = source;
  image.alt = title;
  element.append(image);
  element.onclick = () => pick(name);
  return element;
}

async function downscaled(file, longest) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.93);
}
