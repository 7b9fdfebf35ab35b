// Follows one run over its socket, whatever is lost on the way: the log is the truth, and the client says how far it has read.
import { releaseDeltas, showDelta } from "./run-stream.js";
import { show } from "./run-frames.js";

const FIRST_WAIT = 400;
const LONGEST_WAIT = 10_000;
// The server speaks at least every 20 seconds; a connection that says nothing for longer is dead.
const SILENCE = 45_000;

export class RunSocket {
  /** run: its id; seq: the last event on the page; page: "run" or "chat"; onState(word, text); onFrame(frame, shown). */
  constructor({ run, seq, page, onState = () => {}, onFrame = () => {}, onOver = () => {} }) {
    Object.assign(this, { run, seq, page, onState, onFrame, onOver });
    this.delta = 0;
    this.wait = FIRST_WAIT;
    this.isOver = false;
    this.connect();
  }

  connect() {
    this.reconnecting = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const url = `${scheme}//${location.host}/ws/runs/${this.run}/?after=${this.seq}&after_delta=${this.delta}&page=${this.page}`;
    this.socket = new WebSocket(url);
    this.caughtUp = 0;
    this.socket.addEventListener("open", () => this.opened());
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.closed(event.code));
  }

  opened() {
    this.wait = FIRST_WAIT;
    this.outage = "";
    this.onState("live", "live");
    this.listen();
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket.close(), SILENCE);
  }

  take(frame) {
    this.listen();
    if (frame.type === "over") {
      this.finish();
    } else if (frame.type === "hello") {
      this.missedUpTo = this.wasCut ? frame.last_seq : 0;
    } else if (frame.type === "delta") {
      if (frame.delta_seq <= this.delta) return;
      this.delta = frame.delta_seq;
      showDelta(this.run, frame.data, this.seq);
    } else if (frame.type === "heartbeat") {
      this.tellOutage(frame.outage);
    } else {
      this.tellOutage("");
      this.takeEvent(frame);
    }
  }

  // Something behind the server is away, or back.
  tellOutage(outage) {
    if (outage === (this.outage || "")) return;
    this.outage = outage;
    if (outage) this.onState("reconnecting", outage);
    else this.onState("live", "live");
  }

  takeEvent(frame) {
    if (frame.seq <= this.seq) return;
    this.seq = frame.seq;
    const shown = show(frame.html);
    releaseDeltas(this.run, this.seq);
    this.tellCaughtUp();
    this.onFrame(frame, shown);
  }

  // What the log already had when the connection came back was missed while it was away.
  tellCaughtUp() {
    if (!this.missedUpTo || this.seq > this.missedUpTo) return;
    this.caughtUp += 1;
    if (this.seq < this.missedUpTo) return;
    this.onState("caught-up", `caught up ${this.caughtUp} event${this.caughtUp === 1 ? "" : "s"}`);
    clearTimeout(this.calming);
    this.calming = setTimeout(() => { if (!this.isOver) this.onState("live", "live"); }, 4000);
  }

  finish() {
    this.isOver = true;
    clearTimeout(this.silence);
    clearTimeout(this.calming);
    this.onState("ended", "ended");
    this.onOver();
  }

  closed(code) {
    clearTimeout(this.silence);
    if (this.isOver) return;
    if (code === 4401) return location.reload();
    if (code === 4404) return this.onState("ended", "this run is gone");
    this.wasCut = true;
    clearTimeout(this.calming);
    this.onState("reconnecting", "reconnecting");
    this.reconnecting = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(LONGEST_WAIT, this.wait * 1.8);
  }

  /** Try at once: the network is back, or the tab is looked at again. */
  hurry() {
    if (!this.reconnecting) return;
    clearTimeout(this.reconnecting);
    this.wait = FIRST_WAIT;
    this.connect();
  }

  stop() {
    this.isOver = true;
    clearTimeout(this.reconnecting);
    clearTimeout(this.silence);
    this.socket.close();
  }
}
