// The Simulator: every run of the conversation that has not ended is followed over its socket, runs that others start appear by
// themselves, and the composer keeps what it could not send.
import { RunSocket } from "./run-socket.js";
import { show, tellLastLines } from "./run-frames.js";

const LOOK_EVERY = 4000;
const sockets = new Map();

const simulator = () => document.getElementById("sim");

function showState(word, text) {
  const conn = simulator()?.querySelector("[data-sim-conn]");
  if (!conn) return;
  conn.dataset.conn = word;
  conn.textContent = text;
  conn.hidden = word === "ended" && sockets.size === 0;
}

function followRuns() {
  for (const [run, socket] of sockets) {
    if (!document.getElementById(`chat-${run}`)) { socket.stop(); sockets.delete(run); }
  }
  for (const section of document.querySelectorAll(".chat-run[data-socket]")) {
    const run = section.dataset.run;
    if (sockets.has(run)) continue;
    sockets.set(run, new RunSocket({
      run,
      seq: Number(section.dataset.seq),
      page: "chat",
      onState: showState,
      onOver: () => { sockets.delete(run); document.getElementById(`chat-${run}`)?.removeAttribute("data-socket"); showState("ended", ""); document.body.dispatchEvent(new CustomEvent("run-over")); },
    }));
  }
  tellLastLines(document);
  if (document.querySelector(".chat-run")) document.querySelector("[data-until-message]")?.remove();
}

// ---- runs that were started elsewhere: through the API, in another window, or by a decision there
function takeRuns(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const section of template.content.querySelectorAll(".chat-run")) {
    // A section on the page is followed by its own socket; only one whose calls have been decided elsewhere has news here.
    const known = document.getElementById(section.id);
    if (known && !known.querySelector(".approval")) continue;
    section.dataset.into = "#conversation";
    show(section.outerHTML);
  }
  followRuns();
}

async function look() {
  const home = simulator();
  if (home && document.visibilityState === "visible") {
    const last = [...home.querySelectorAll(".chat-run")].at(-1)?.dataset.run || "";
    const news = home.dataset.news;
    try {
      const answer = await fetch(`${news}&after=${encodeURIComponent(last)}`, { headers: { "HX-Request": "true" } });
      const html = answer.status === 200 ? await answer.text() : "";
      // Meanwhile another conversation may have been chosen.
      if (html && simulator()?.dataset.news === news) takeRuns(html);
    } catch { /* the server is away: the sockets say so, and the next look comes */ }
  }
  setTimeout(look, LOOK_EVERY);
}

// ---- composer
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.requestConfig?.elt?.matches("[data-composer]") || event.detail.xhr.status !== 200) return;
  // The look for news may have been faster.
  const section = new DOMParser().parseFromString(event.detail.serverResponse, "text/html").querySelector(".chat-run");
  if (section && document.getElementById(section.id)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches?.("[data-composer]") || event.detail.xhr?.status !== 200) return;
  form.querySelector("textarea").value = "";
  document.getElementById("composer-problem").replaceChildren();
  const conversation = document.getElementById("conversation");
  conversation.scrollTop = conversation.scrollHeight;
});
document.addEventListener("htmx:afterSettle", (event) => {
  followRuns();
  if (event.target.id === "simulator") document.body.dispatchEvent(new CustomEvent("conversation-shown"));
});

addEventListener("online", () => sockets.forEach((socket) => socket.hurry()));
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") sockets.forEach((socket) => socket.hurry()); });
followRuns();
setTimeout(look, LOOK_EVERY);
