// Light or dark before the first paint: the reader's choice, else the system's.
// A plain script in the head, so that no page flashes in the other colours.
(function () {
  const system = window.matchMedia("(prefers-color-scheme: light)");
  function apply() {
    let chosen;
    try {
      chosen = localStorage.getItem("td.theme");
    } catch {
      chosen = null; // storage is forbidden: the system's choice stands
    }
    const theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new CustomEvent("td-theme", { detail: theme }));
  }
  system.addEventListener("change", apply);
  // Another tab of the same reader has chosen.
  window.addEventListener("storage", function (event) {
    if (event.key === "td.theme") apply();
  });
  window.tdTheme = {
    toggle() {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("td.theme", next);
      } catch {
        document.documentElement.dataset.theme = next; // for this page only
      }
      apply();
    },
  };
  apply();
})();
