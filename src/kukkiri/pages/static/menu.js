// A <details class="menu"> closes like a menu: on Escape, and on a press elsewhere.

export function menus(root = document) {
  for (const menu of root.querySelectorAll("details.menu")) {
    document.addEventListener("pointerdown", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
}
