// The Test tab shows what a tool prints while it runs, and can stop it. Without this module the form still works.
const csrf = document.querySelector("meta[name=csrf-token]").content;

function line(className, text) {
  const element = document.createElement("p");
  element.className = className;
  element.textContent = text;
  return element;
}

// One block of live output per run, in the order in which they first said something.
function writer(outcome) {
  const blocks = new Map();
  outcome.replaceChildren(line("muted", "Running…"));
  return ({ run, text }) => {
    if (!blocks.has(run)) {
      const pre = document.createElement("pre");
      pre.className = "output trial-live";
      pre.dataset.run = String(run);
      outcome.append(pre);
      blocks.set(run, pre);
    }
    const pre = blocks.get(run);
    pre.append(text);
    pre.scrollTop = pre.scrollHeight;
  };
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter(Boolean).map((part) => JSON.parse(part));
  }
}

async function run(form, stop) {
  const target = document.querySelector(form.getAttribute("hx-target"));
  const outcome = form.parentElement.querySelector(".trial-outcome");
  const write = writer(outcome);
  const headers = { Accept: "application/x-ndjson", "HX-Request": "true", "HX-Target": target.id, "X-CSRFToken": csrf };
  try {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers, signal: stop.signal });
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    for await (const piece of lines(answer.body)) {
      if (!("html" in piece)) write(piece);
      else if (form.isConnected) window.htmx.swap(target, piece.html, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
    }
  } catch (error) {
    outcome.prepend(line("notice", stop.signal.aborted ? "Stopped." : `The run broke off: ${error.message}`));
    outcome.querySelector("p.muted")?.remove();
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-trial]")) return;
  event.preventDefault();
  event.stopPropagation();
  const [go, halt] = [form.querySelector("[type=submit]"), form.querySelector("[data-trial-stop]")];
  const stop = new AbortController();
  halt.onclick = () => stop.abort();
  go.disabled = true;
  halt.hidden = false;
  await run(form, stop);
  go.disabled = false;
  halt.hidden = true;
}, true);
