// Native dialogs: data-opens, data-closes, the drawer, and our own question instead of the browser's confirm().
const drawer = document.getElementById("drawer");
const question = document.getElementById("confirm");

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    closeMenus();
    document.getElementById(opener.dataset.opens)?.showModal();
  } else if (event.target.closest("[data-closes]")) {
    event.target.closest("dialog")?.close();
  } else if (event.target instanceof HTMLDialogElement && !insideBox(event)) {
    event.target.close();
  }
  if (!event.target.closest("details.menu")) closeMenus();
});

// A click on the backdrop has the dialog as target, outside of its box. A key press on a button has no position.
function insideBox(event) {
  const box = event.target.getBoundingClientRect();
  return event.detail === 0 || (event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom);
}

function closeMenus() {
  for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// The title comes with the content: an element with data-drawer-title in it names the drawer.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "drawer-body") return;
  const title = drawer.querySelector("#drawer-body [data-drawer-title]");
  if (title) drawer.querySelector("#drawer-title").textContent = title.dataset.drawerTitle;
  if (!drawer.open) drawer.showModal();
});
document.addEventListener("closeDialogs", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
});
drawer.addEventListener("close", () => document.dispatchEvent(new CustomEvent("drawer:closed")));

function ask(text, source, proceed) {
  const yes = question.querySelector("[data-confirm-yes]");
  question.querySelector("#confirm-title").textContent = text;
  yes.textContent = source.dataset.confirmLabel || "Go on";
  yes.className = source.dataset.confirmTone === "danger" ? "btn btn-danger" : "btn btn-primary";
  question.returnValue = "";
  question.addEventListener("close", () => { if (question.returnValue === "yes") proceed(); }, { once: true });
  question.showModal();
}

document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  ask(event.detail.question, event.detail.elt, () => event.detail.issueRequest(true));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  ask(form.dataset.confirm, form, () => {
    form.dataset.confirmed = "yes";
    form.requestSubmit(event.submitter);
  });
});
