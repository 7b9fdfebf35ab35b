// Copy buttons copy the full text, whatever part of it is visible.
const icons = document.querySelector("meta[name=icons]").content;

// Without a secure context (http on another host) there is no clipboard object; a selection still copies.
async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function markDone(button) {
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  button.classList.add("is-done");
  use?.setAttribute("href", `${icons}#check`);
  setTimeout(() => {
    button.classList.remove("is-done");
    if (before) use.setAttribute("href", before);
  }, 1400);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-target]");
  if (!button) return;
  event.preventDefault();
  const target = button.dataset.copyTarget && document.querySelector(button.dataset.copyTarget);
  await write(target ? (target.value ?? target.textContent) : button.dataset.copy);
  markDone(button);
});
