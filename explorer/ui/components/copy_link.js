// A button that copies the page's address, over https and over plain http, where the clipboard has no modern interface.
// Every run of the page calls this again on the same elements, so it keeps nothing but what they hold.

const LABEL = "Copy link";
const SHOWN_MS = 2500;

export default function copyLink({ parentElement }) {
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("[role=status]");
  button.onclick = async () => {
    const copied = await copy(window.location.href);
    button.textContent = copied ? "Link copied" : "Copy it from the address bar";
    status.textContent = button.textContent;
    setTimeout(() => {
      button.textContent = LABEL;
      status.textContent = "";
    }, SHOWN_MS);
  };
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-hidden", "true");
  area.style.cssText = "position:fixed;opacity:0";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
