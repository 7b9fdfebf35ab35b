// A form with one file field, data-dropzone: files dropped on it are sent, and chosen ones without a click on its button.
// Without this module the button does it.
const OVER = "is-over";

function zoneOf(event) {
  const hasFiles = Array.from(event.dataTransfer?.types ?? []).includes("Files");
  return hasFiles && event.target instanceof Element ? event.target.closest("[data-dropzone]") : null;
}

document.addEventListener("dragover", (event) => {
  const zone = zoneOf(event);
  if (!zone) return;
  event.preventDefault();
  zone.classList.add(OVER);
});

document.addEventListener("dragleave", (event) => {
  const zone = zoneOf(event);
  if (zone && !zone.contains(event.relatedTarget)) zone.classList.remove(OVER);
});

document.addEventListener("drop", (event) => {
  const zone = zoneOf(event);
  if (!zone) return;
  event.preventDefault();
  zone.classList.remove(OVER);
  zone.querySelector("input[type=file]").files = event.dataTransfer.files;
  zone.requestSubmit();
});

document.addEventListener("change", (event) => {
  const zone = event.target.closest("[data-dropzone]");
  if (zone && event.target.type === "file" && event.target.files.length) zone.requestSubmit();
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.matches("[data-dropzone]")) event.target.reset();
});
