// Short news at the corner. Fed by HX-Trigger {"toast": {text, undo?, tone?}}, by <template data-toast> (Django messages)
// and by document.dispatchEvent(new CustomEvent("toast", {detail: {...}})).
const region = document.getElementById("toasts");
const icons = document.querySelector("meta[name=icons]").content;
const ICON = { good: "circle-check", warn: "alert-triangle", bad: "alert-circle" };
const SECONDS = { plain: 5, undo: 9, bad: 12 };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${icons}#${name}`);
  svg.append(use);
  return svg;
}

function button(label, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.addEventListener("click", onClick);
  element.append(label);
  return element;
}

// Through htmx, so that the answer's own triggers and out-of-band swaps take effect.
function undo(url) {
  window.htmx.ajax("POST", url, { source: document.body, swap: "none" });
}

// Everything outside of a modal dialog is inert, so the region lives in the foremost one while it is open.
function raise() {
  const host = [...document.querySelectorAll("dialog:modal")].at(-1) || document.body;
  if (region.parentElement !== host) host.append(region);
  if (region.matches(":popover-open")) region.hidePopover();
  if (region.children.length) region.showPopover();
}
new MutationObserver((changes) => {
  if (changes.some((change) => change.target instanceof HTMLDialogElement)) raise();
}).observe(document.body, { attributes: true, attributeFilter: ["open"], subtree: true });

function leaveAfter(item, seconds) {
  let timer = setTimeout(() => close(item), seconds * 1000);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("focusin", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => { timer = setTimeout(() => close(item), 2000); });
}

function close(item) {
  item.remove();
  raise();
}

function show({ text, undo: url, tone = "good" }) {
  const item = document.createElement("div");
  item.className = "toast-item";
  item.dataset.tone = tone;
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  item.append(icon(ICON[tone] || ICON.good), words);
  if (url) item.append(button("Undo", () => { undo(url); close(item); }));
  const shut = button(icon("x"), () => close(item));
  shut.className = "toast-close";
  shut.setAttribute("aria-label", "Dismiss");
  item.append(shut);
  region.append(item);
  raise();
  leaveAfter(item, SECONDS[url ? "undo" : tone] || SECONDS.plain);
}

document.addEventListener("toast", (event) => show(event.detail.value && typeof event.detail.value === "object" ? event.detail.value : event.detail));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.elt.closest("[data-quiet]")) return;
  const status = event.detail.xhr.status;
  if (status === 503) show({ text: event.detail.xhr.responseText, tone: "bad" });
  else show({ text: status === 403 ? "That is not allowed any more. Reload the page." : `The server answered ${status}. Nothing was changed.`, tone: "bad" });
});
document.addEventListener("htmx:sendError", (event) => {
  // data-quiet: a refresh in the background, which would say so every few seconds.
  if (!event.detail.elt.closest("[data-quiet]")) show({ text: "The server cannot be reached. Nothing was changed.", tone: "bad" });
});
for (const template of document.querySelectorAll("template[data-toast]")) {
  show({ text: template.content.textContent.trim(), tone: template.dataset.tone });
}
