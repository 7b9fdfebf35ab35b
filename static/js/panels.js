// Panels remember whether they are open; columns can be resized by mouse and keyboard, and become a switch on a small screen.
const MIN = 220;
const MAX = 640;
const STEP = 24;
const root = document.documentElement;

// Storage that may be full or forbidden must never break a page.
function remembered(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
function remember(key, value) {
  try { value === null ? localStorage.removeItem(key) : localStorage.setItem(key, value); } catch { /* the choice lives until the page is left */ }
}

function restorePanels(scope) {
  for (const panel of scope.querySelectorAll("details[data-panel]:not([data-restored])")) {
    panel.setAttribute("data-restored", "");
    const stored = remembered(`panel:${panel.dataset.panel}`);
    if (stored) panel.open = stored === "open";
    panel.addEventListener("toggle", () => remember(`panel:${panel.dataset.panel}`, panel.open ? "open" : "closed"));
  }
}

// The width lives in a CSS variable of the root element, set through the CSSOM, which the security policy allows.
function setWidth(tri, side, width) {
  const value = width === null ? null : Math.round(Math.min(MAX, Math.max(MIN, width)));
  if (value === null) root.style.removeProperty(`--tri-${side}`);
  else root.style.setProperty(`--tri-${side}`, `${value}px`);
  remember(`tri:${tri.dataset.tri}:${side}`, value === null ? null : String(value));
}

function addHandle(tri, column, side) {
  const handle = document.createElement("div");
  handle.className = "tri-handle";
  handle.tabIndex = 0;
  handle.setAttribute("data-own", "");
  handle.setAttribute("role", "separator");
  handle.setAttribute("aria-orientation", "vertical");
  handle.setAttribute("aria-label", `Width of ${column.getAttribute("aria-label") || side}`);
  const sign = side === "left" ? 1 : -1;
  const width = () => column.getBoundingClientRect().width;
  const announce = () => {
    handle.setAttribute("aria-valuemin", String(MIN));
    handle.setAttribute("aria-valuemax", String(MAX));
    handle.setAttribute("aria-valuenow", String(Math.round(width())));
  };
  handle.addEventListener("pointerdown", (down) => {
    const start = width();
    handle.setPointerCapture(down.pointerId);
    handle.classList.add("is-dragging");
    handle.onpointermove = (move) => setWidth(tri, side, start + sign * (move.clientX - down.clientX));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    handle.addEventListener(end, () => {
      handle.onpointermove = null;
      handle.classList.remove("is-dragging");
      announce();
    });
  }
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (!by) return;
    event.preventDefault();
    setWidth(tri, side, width() + sign * by);
    announce();
  });
  handle.addEventListener("dblclick", () => { setWidth(tri, side, null); announce(); });
  column[side === "left" ? "after" : "before"](handle);
  announce();
}

function addSwitch(tri) {
  const columns = [...tri.querySelectorAll(":scope > .tri-col")];
  const bar = document.createElement("div");
  bar.className = "tri-switch";
  bar.setAttribute("data-own", "");
  const group = document.createElement("div");
  group.className = "segmented";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Part of the page");
  bar.append(group);
  const buttons = columns.map((column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.getAttribute("aria-label");
    button.addEventListener("click", () => reveal(column));
    group.append(button);
    return button;
  });
  function reveal(chosen) {
    columns.forEach((column, index) => {
      column.classList.toggle("is-shown", column === chosen);
      buttons[index].setAttribute("aria-pressed", String(column === chosen));
    });
  }
  tri.prepend(bar);
  reveal(tri.querySelector(":scope > .tri-center") || columns[0]);
}

function buildColumns(scope) {
  for (const tri of scope.querySelectorAll(".tri:not([data-tri-ready])")) {
    tri.setAttribute("data-tri-ready", "");
    for (const side of ["left", "right"]) {
      const column = tri.querySelector(`:scope > .tri-${side}`);
      if (!column) continue;
      const stored = Number(remembered(`tri:${tri.dataset.tri}:${side}`));
      if (stored) setWidth(tri, side, stored);
      addHandle(tri, column, side);
    }
    addSwitch(tri);
  }
}

function build(scope) {
  restorePanels(scope);
  buildColumns(scope);
}
build(document);
document.addEventListener("htmx:afterSettle", () => build(document));
