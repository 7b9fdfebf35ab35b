// The run page: the live viewer. Selection, densities, search, keys; the socket and the timeline do the rest.
import { isFreeKey } from "./keys.js";
import { RunSocket } from "./run-socket.js";
import { Timeline } from "./run-timeline.js";

const page = document.getElementById("run-page");
const viewer = document.getElementById("viewer");
const conn = document.getElementById("conn");
const timeline = new Timeline(document.getElementById("timeline"));
const followButton = viewer.querySelector("[data-follow-toggle]");
let selected = page.dataset.at;

function showState(word, text) {
  conn.dataset.conn = word;
  conn.textContent = text;
}

// ---- selection: a link without the script, a swap of the details with it
function mark() {
  for (const one of document.querySelectorAll("[data-at][aria-current]")) if (one.dataset.at !== selected) one.removeAttribute("aria-current");
  if (selected) for (const one of document.querySelectorAll(`a[data-at="${CSS.escape(selected)}"]`)) one.setAttribute("aria-current", "true");
}

let loading = null;
function inspect() {
  clearTimeout(loading);
  loading = null;
  window.htmx.ajax("GET", `${page.dataset.inspector}?at=${encodeURIComponent(selected)}`, { target: "#inspector", swap: "morph:innerHTML" });
}

function select(id, { push = true } = {}) {
  selected = id;
  mark();
  inspect();
  if (id) document.getElementById(`tree-${id}`)?.scrollIntoView({ block: "nearest" });
  if (push) history.pushState(null, "", id ? `?at=${encodeURIComponent(id)}` : location.pathname);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-at]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  select(link.dataset.at);
  if (link.dataset.at) showDetails();
});
addEventListener("popstate", () => select(new URLSearchParams(location.search).get("at") || "", { push: false }));

// On a small screen the columns are a switch: a tap on a call leads to its details.
function showDetails() {
  const details = page.querySelector(".tri-right");
  if (getComputedStyle(details).display !== "none") return;
  [...page.querySelectorAll(".tri-switch button")].at(-1)?.click();
}

// ---- frames
function concerns(frame) {
  const facts = frame.data;
  if (!selected) return ["run.started", "model.responded", "run.ended"].includes(frame.type);
  if (facts.call_id) return facts.call_id === selected && frame.type !== "call.output";
  return facts.step_id ? true : frame.type === "run.ended";
}

// Frames that arrive together cost one drawing, and the details are asked for once.
let refreshing = false;
function onFrame(frame, shown) {
  document.querySelector("[data-until-steps]")?.remove();
  timeline.refresh(frame, shown);
  if (frame.type === "run.ended") followButton.setAttribute("aria-pressed", "false");
  if (concerns(frame)) loading ??= setTimeout(inspect, 150);
  if (refreshing) return;
  refreshing = true;
  requestAnimationFrame(() => {
    refreshing = false;
    mark();
    filter();
    if (timeline.isFollowing && viewer.dataset.density === "log") viewer.querySelector("#log").lastElementChild?.scrollIntoView({ block: "end" });
  });
}

if (page.dataset.socket) {
  const socket = new RunSocket({ run: page.dataset.run, seq: Number(page.dataset.seq), page: "run", onState: showState, onFrame });
  addEventListener("online", () => socket.hurry());
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") socket.hurry(); });
}

// ---- densities, zoom, follow
function setDensity(density) {
  viewer.dataset.density = density;
  for (const button of viewer.querySelectorAll("[data-densities] button")) button.setAttribute("aria-pressed", String(button.dataset.density === density));
  try { localStorage.setItem("run:density", density); } catch { /* the choice lives until the page is left */ }
  if (density === "log") viewer.querySelector("#log").lastElementChild?.scrollIntoView({ block: "end" });
}
viewer.addEventListener("click", (event) => {
  const density = event.target.closest("[data-densities] button");
  if (density) setDensity(density.dataset.density);
  const zoom = event.target.closest("[data-zoom-by]");
  if (zoom) timeline.zoom(Number(zoom.dataset.zoomBy));
  if (event.target.closest("[data-follow-toggle]")) toggleFollow();
});
try { if (localStorage.getItem("run:density")) setDensity(localStorage.getItem("run:density")); } catch { /* as above */ }

function toggleFollow() {
  timeline.isFollowing = !timeline.isFollowing;
  followButton.setAttribute("aria-pressed", String(timeline.isFollowing));
  const running = [...document.querySelectorAll('#timeline [data-state="running"][data-at]')].at(-1);
  if (timeline.isFollowing && running) timeline.reveal(running.dataset.at);
}

// ---- find a call
const find = viewer.querySelector("[data-find]");
function filter() {
  const wanted = find.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("#timeline .tlv-row, #steps .step-call")) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
  }
}
find.addEventListener("input", filter);

// ---- keys
function rows() {
  return [...document.querySelectorAll("#timeline .tlv-row:not([hidden])")];
}

function step(list, by) {
  if (!list.length) return;
  const at = list.findIndex((row) => row.dataset.at === selected);
  const next = at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length;
  select(list[next].dataset.at);
  list[next].scrollIntoView({ block: "nearest" });
}

function nextFailure() {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.at === selected);
  const later = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((row) => row.hasAttribute("data-failed"));
  if (!later) return document.dispatchEvent(new CustomEvent("toast", { detail: { text: "No call of this run has failed.", tone: "good" } }));
  select(later.dataset.at);
  later.scrollIntoView({ block: "center" });
}

const KEYS = {
  f: nextFailure,
  j: toggleFollow,
  ArrowDown: () => step(rows(), 1),
  ArrowUp: () => step(rows(), -1),
  Escape: () => { if (selected) select(""); },
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === find) { find.value = ""; filter(); find.blur(); return; }
  if (!isFreeKey(event) || !KEYS[event.key]) return;
  if (event.key.startsWith("Arrow") && event.target.closest("[role=separator], pre, .log")) return;
  event.preventDefault();
  KEYS[event.key]();
});

if (selected) document.getElementById(`tl-${selected}`)?.scrollIntoView({ block: "center" });
