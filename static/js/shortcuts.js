// Keys of the shell. A page adds its own keys to the help with <template data-shortcuts>.
import { isFreeKey } from "./keys.js";

const help = document.getElementById("shortcuts");
const list = help.querySelector(".shortcut-list");
for (const template of document.querySelectorAll("template[data-shortcuts]")) list.append(template.content.cloneNode(true));

function focusSearch(event) {
  // A page with a search of its own marks it, and "/" goes there; Ctrl-K is always the one at the top.
  const own = event.key === "/" ? document.querySelector("[data-page-search]") : null;
  const field = own || document.getElementById("search");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) return focusSearch(event);
  if (!isFreeKey(event)) return;
  if (event.key === "/") focusSearch(event);
  if (event.key === "?") help.showModal();
});

// Enter sends, Shift-Enter breaks the line; an input method's Enter belongs to the input method.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("textarea[data-submit-on-enter]")) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

// A whole table row leads where its link leads.
document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (!row || event.target.closest("a, button, input, select, label, summary") || String(getSelection())) return;
  if (event.ctrlKey || event.metaKey) open(row.dataset.href, "_blank");
  else location.assign(row.dataset.href);
});
