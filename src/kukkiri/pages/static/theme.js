// Light, dark, or as the system; remembered where the browser allows.

const THEMES = ["auto", "light", "dark"];
const STORAGE = "kukkiri-theme";

function stored(value) {
  try {
    if (value === undefined) return localStorage.getItem(STORAGE);
    localStorage.setItem(STORAGE, value);
  } catch {
    // Some browsers give a file no storage; the choice then lasts as long as the page.
  }
  return null;
}

export function themeSwitch(select) {
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    select.value = theme;
  };
  const remembered = stored();
  set(THEMES.includes(remembered) ? remembered : "auto");
  select.addEventListener("change", () => {
    set(select.value);
    stored(select.value);
  });
}
