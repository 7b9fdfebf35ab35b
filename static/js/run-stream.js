// Pieces of a model's answer while it streams. They are no part of the log: a step's bubble takes those that came after the
// event it was opened or reopened by (data-since), and the final answer takes the bubble's place.
const waiting = new Map();

/** Show a delta, or keep it until the event that it came after has been shown. `seq` is the last event shown. */
export function showDelta(run, delta, seq) {
  if (delta.after_seq > seq) {
    waiting.set(run, [...(waiting.get(run) || []), delta]);
    return;
  }
  append(delta);
}

/** Show what was kept back, now that the log has been shown up to `seq`. */
export function releaseDeltas(run, seq) {
  const kept = waiting.get(run);
  if (!kept) return;
  const due = kept.filter((delta) => delta.after_seq <= seq);
  const later = kept.filter((delta) => delta.after_seq > seq);
  later.length ? waiting.set(run, later) : waiting.delete(run);
  due.forEach(append);
}

function append(delta) {
  const answer = document.querySelector(`[data-stream="${CSS.escape(delta.step_id)}"]`);
  if (!answer || delta.after_seq < Number(answer.dataset.since)) return;
  const target = answer.querySelector(`[data-stream-kind="${delta.kind}"]`);
  if (!target) return;
  if (delta.kind === "call") appendCall(target, delta);
  else target.append(delta.text);
  target.closest("[hidden]")?.removeAttribute("hidden");
}

function appendCall(target, delta) {
  let row = target.querySelector(`[data-call-index="${Number(delta.call.index)}"]`);
  if (!row) {
    row = document.createElement("div");
    row.dataset.callIndex = delta.call.index;
    const name = document.createElement("strong");
    row.append(name, " ", document.createElement("span"));
    target.append(row);
  }
  if (delta.call.name) row.firstElementChild.textContent = delta.call.name;
  row.lastElementChild.append(delta.text);
}
