// Puts a frame's parts into the page: each has a stable id and takes the place of the element with that id, or goes into the
// container that data-into names, in the order of data-order. A part whose place is not on this page is left out.
import { durationText, runningText } from "./format.js";

const TAIL_LINES = 200;

/** Show a frame's html. Returns the elements that were put in. */
export function show(html) {
  const shown = [];
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const part of [...template.content.children]) {
    const place = part.dataset.append ? appendOutput(part) : replace(part) || insert(part);
    if (place) shown.push(place);
  }
  for (const element of shown) {
    window.htmx.process(element);
    tellLastLines(element);
    tellTimes(element);
  }
  return shown;
}

// The clocks tick a few times a second; a part that has just come need not wait for them.
export function tellLastLines(root) {
  for (const place of root.querySelectorAll("[data-last-line]")) tellLastLine(place.closest("details.call").querySelector(".output"));
}

function tellTimes(element) {
  for (const clock of element.querySelectorAll("[data-clock-ms]")) clock.textContent = durationText(Number(clock.dataset.clockMs));
  for (const clock of element.querySelectorAll("[data-clock-since]")) clock.textContent = runningText(Date.now() - Date.parse(clock.dataset.clockSince));
}

function replace(part) {
  const current = part.id && document.getElementById(part.id);
  if (!current) return null;
  window.Idiomorph.morph(current, part, { morphStyle: "outerHTML" });
  return document.getElementById(part.id);
}

function insert(part) {
  const container = part.dataset.into && document.querySelector(part.dataset.into);
  if (!container) return null;
  const order = Number(part.dataset.order);
  // Most parts belong at the end, so the search begins there.
  let before = null;
  for (let one = container.lastElementChild; one && Number(one.dataset.order) > order; one = one.previousElementSibling) before = one;
  container.insertBefore(part, before);
  return part;
}

// A running call's row says the last line that it printed, so that nobody has to open it.
export function tellLastLine(output) {
  const place = output.closest("details.call")?.querySelector("[data-last-line]");
  if (place) place.textContent = output.textContent.trimEnd().split("\n").at(-1).slice(0, 200);
}

// The same rule as the server's OutputTail: the oldest piece goes once enough lines remain without it.
function appendOutput(part) {
  const output = document.querySelector(part.dataset.append);
  if (!output) return null;
  for (const piece of [...part.children]) {
    if (document.getElementById(piece.id)) continue;
    // Details that were asked for before it came must not take it away again.
    piece.setAttribute("data-own", "");
    output.append(piece);
  }
  let lines = [...output.children].reduce((sum, piece) => sum + Number(piece.dataset.lines), 0);
  while (output.firstElementChild && lines - Number(output.firstElementChild.dataset.lines) >= TAIL_LINES) {
    lines -= Number(output.firstElementChild.dataset.lines);
    output.firstElementChild.remove();
  }
  output.closest("[hidden]")?.removeAttribute("hidden");
  tellLastLine(output);
  return null;
}
