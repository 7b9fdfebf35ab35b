// What moves in the timeline between two frames: the now-line, bars that still grow, and the axis when they reach its end.
// Where a bar begins and ends came from the server, as data-from and data-to in milliseconds since the run's start.
const LEAST_PERCENT = 0.25;
const ROOM_UP_TO = 0.72;
const ZOOMS = [1, 2, 4, 8, 16];

export class Timeline {
  constructor(root) {
    this.root = root;
    this.scroller = root.closest(".tlv-scroll");
    this.span = Number(root.dataset.span);
    this.origin = Number(root.dataset.originMs);
    this.spans = root.dataset.spans.split(" ").map(Number);
    // The server's clock decides; a person's may be minutes off. Compared when the page arrived, not when this script ran.
    const arrived = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now());
    this.skew = Number(root.dataset.serverMs) - arrived;
    this.isLive = root.hasAttribute("data-live");
    this.isFollowing = this.isLive;
    if (this.isLive) this.tick();
  }

  /** A frame has put rows in: they were drawn for the server's axis, and the run may have begun with it. */
  refresh(frame, shown) {
    if (frame.type === "run.started" && frame.seq === 1) this.origin = Date.parse(frame.at);
    if (frame.type === "run.ended") this.end(Date.parse(frame.at) - this.origin);
    for (const element of shown) if (this.root.contains(element)) this.place(element);
    if (this.isFollowing && frame.type === "call.started") this.reveal(frame.data.call_id);
  }

  tick() {
    if (!this.isLive) return;
    if (document.visibilityState === "visible") this.grow(Date.now() + this.skew - this.origin);
    setTimeout(() => requestAnimationFrame(() => this.tick()), 100);
  }

  grow(now) {
    if (now > this.span) this.stretch(now);
    const x = `${(100 * now) / this.span}%`;
    const line = this.root.querySelector(".tl-now");
    line?.setAttribute("x1", x);
    line?.setAttribute("x2", x);
    for (const bar of this.root.querySelectorAll("rect[data-open]")) {
      bar.dataset.to = Math.round(now);
      this.placeBar(bar);
    }
    for (const mark of this.root.querySelectorAll("text[data-open]")) this.placeMark(mark);
  }

  end(length) {
    this.isLive = this.isFollowing = false;
    this.root.querySelector(".tl-now")?.remove();
    this.root.removeAttribute("data-live");
    this.stretch(Math.max(1, length));
  }

  /** The shortest round axis with room for `needed` milliseconds. */
  stretch(needed) {
    let power = 10;
    while (this.spans.at(-1) * power < needed) power *= 10;
    this.span = this.spans.map((span) => span * power).find((span) => span >= needed);
    for (const tick of this.root.querySelectorAll("[data-tick]")) tick.textContent = tickText((this.span / 10 / 1000) * Number(tick.dataset.tick));
    this.place(this.root);
  }

  place(scope) {
    for (const bar of scope.querySelectorAll("rect[data-from]")) this.placeBar(bar);
    for (const mark of scope.querySelectorAll("text[data-mark]")) this.placeMark(mark);
  }

  placeBar(bar) {
    const from = Number(bar.dataset.from);
    const width = Math.max(LEAST_PERCENT, (100 * (Number(bar.dataset.to) - from)) / this.span);
    bar.setAttribute("x", `${(100 * from) / this.span}%`);
    bar.setAttribute("width", `${width}%`);
  }

  // A row's text stands behind its last bar, or before the first where there is no room behind: as runs/timeline.py has it.
  placeMark(mark) {
    const bars = mark.parentElement.querySelectorAll("rect[data-from]");
    if (!bars.length) return;
    const first = Number(bars[0].dataset.from);
    const last = Number(bars[bars.length - 1].dataset.to);
    const isOnBar = mark.hasAttribute("data-reason") && last > this.span / 2;
    const isBefore = !isOnBar && last > ROOM_UP_TO * this.span && first > (1 - ROOM_UP_TO) * this.span;
    mark.setAttribute("x", `${(100 * (isBefore ? first : last)) / this.span}%`);
    mark.setAttribute("text-anchor", isBefore || isOnBar ? "end" : "start");
    mark.setAttribute("dx", isBefore || isOnBar ? "-7" : "7");
  }

  reveal(callId) {
    const row = document.getElementById(`tl-${callId}`);
    if (!row || !this.scroller) return;
    const box = row.getBoundingClientRect();
    const view = this.scroller.getBoundingClientRect();
    if (box.bottom > view.bottom || box.top < view.top) row.scrollIntoView({ block: "center" });
  }

  zoom(by) {
    const next = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(Number(this.root.dataset.zoom)) + by))];
    const middle = (this.scroller.scrollLeft + this.scroller.clientWidth / 2) / this.scroller.scrollWidth;
    this.root.dataset.zoom = next;
    this.scroller.scrollLeft = middle * this.scroller.scrollWidth - this.scroller.clientWidth / 2;
  }
}

function tickText(seconds) {
  const round = Number(seconds.toPrecision(6));
  if (round === 0) return "0";
  if (round < 1) return `${Number((round * 1000).toPrecision(6))} ms`;
  if (round < 120) return `${round} s`;
  return `${Math.floor(round / 60)}:${String(Math.floor(round % 60)).padStart(2, "0")}`;
}
