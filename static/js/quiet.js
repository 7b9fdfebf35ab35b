// Refreshes in the background (data-quiet with a trigger "every …") rest while nobody looks, and catch up when somebody does.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.matches("[data-quiet][hx-trigger^='every']")) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-quiet][hx-trigger^='every'][hx-get]")) {
    window.htmx.ajax("GET", element.getAttribute("hx-get"), { source: element, target: element, swap: element.getAttribute("hx-swap") || "innerHTML" });
  }
});
