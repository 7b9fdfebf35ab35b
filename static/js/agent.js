// The agent page: the address forgets a tool whose drawer was closed, and a text says how long it is.
document.addEventListener("drawer:closed", () => {
  const url = new URL(location.href);
  url.searchParams.delete("tool");
  url.searchParams.delete("panel");
  history.replaceState(history.state, "", url);
});

document.addEventListener("input", (event) => {
  const counter = document.getElementById(event.target.dataset?.counts ?? "");
  if (counter) counter.textContent = String(event.target.value.length);
});

// On a small screen one column is seen at a time; an address that names a tab means the column that has it.
if (new URLSearchParams(location.search).has("tab")) {
  document.querySelector(".tri-switch button")?.click();
}
