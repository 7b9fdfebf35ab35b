// Loaded in <head> without defer, before the first paint, so that no page flashes in the wrong theme or with the wrong rail.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const choice = () => (document.cookie.match(/(?:^|; )theme=(light|dark)(?:;|$)/) || [])[1];

  function showTheme() {
    const chosen = choice();
    root.setAttribute("data-bs-theme", chosen || (dark.matches ? "dark" : "light"));
    if (chosen) root.setAttribute("data-theme-choice", chosen);
    else root.removeAttribute("data-theme-choice");
    document.dispatchEvent(new CustomEvent("theme:changed"));
  }

  function remember(theme) {
    const age = theme ? 31536000 : 0;
    document.cookie = `theme=${theme || ""}; path=/; max-age=${age}; samesite=lax`;
  }

  // A narrow laptop starts with the narrow rail; whoever chooses otherwise keeps it.
  function showRail() {
    const stored = localStorage.getItem("rail");
    root.setAttribute("data-rail", stored || (innerWidth < 1440 ? "closed" : "open"));
  }

  const NEXT = { "": "light", light: "dark", dark: "" };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-switch]")) {
      remember(NEXT[choice() || ""]);
      showTheme();
    }
    if (event.target.closest("[data-rail-toggle]")) {
      localStorage.setItem("rail", root.dataset.rail === "closed" ? "open" : "closed");
      showRail();
    }
  });
  dark.addEventListener("change", showTheme);
  showTheme();
  showRail();
})();
