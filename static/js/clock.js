// Durations, running clocks and relative times, written as people read them. Server time decides; the page only counts on.
import { durationText, relativeText, runningText } from "./format.js";

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showClocks() {
  for (const element of document.querySelectorAll("[data-clock-since]")) {
    setText(element, runningText(Date.now() - Date.parse(element.dataset.clockSince)));
  }
}

function showStill() {
  for (const element of document.querySelectorAll("[data-clock-ms]")) setText(element, durationText(Number(element.dataset.clockMs)));
  for (const element of document.querySelectorAll("time[data-relative]")) setText(element, relativeText(Date.parse(element.dateTime)));
}

let lastStill = 0;
function tick(now) {
  if (now - lastStill > 1000) {
    lastStill = now;
    showStill();
  }
  showClocks();
  setTimeout(() => requestAnimationFrame(tick), 100);
}

document.addEventListener("htmx:afterSettle", () => { showStill(); showClocks(); });
showStill();
requestAnimationFrame(tick);
