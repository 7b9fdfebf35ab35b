// The results under the search box: arrows move through them, Escape puts them away.
const box = document.querySelector("[data-search]");

function hits() {
  return [...box.querySelectorAll(".search-hit")];
}

function move(by) {
  const all = hits();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = at + by;
  if (next < 0) box.querySelector("input").focus();
  else all[Math.min(next, all.length - 1)].focus();
}

function clear() {
  box.querySelector(".search-results").replaceChildren();
}

if (box) {
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    }
    if (event.key === "Escape") {
      clear();
      box.querySelector("input").blur();
    }
  });
  box.querySelector("input").addEventListener("input", (event) => { if (!event.target.value.trim()) clear(); });
  document.addEventListener("pointerdown", (event) => { if (!box.contains(event.target)) clear(); });
}
