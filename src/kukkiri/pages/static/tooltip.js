// One tooltip for all elements with data-tip, on hover and on focus.

import { element } from "./dom.js";

export function tooltips() {
  const tip = element("div", { class: "tooltip", role: "tooltip", id: "tooltip", hidden: true });
  document.body.append(tip);
  let owner = null;

  function hide() {
    owner?.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  }

  function show(target, x, y, text) {
    // A modal dialog covers everything outside itself.
    (target.closest("dialog") ?? document.body).append(tip);
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x - box.width / 2), document.documentElement.clientWidth - box.width - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${y - box.height - 8 < 8 ? y + 20 : y - box.height - 8}px`;
  }

  function showFor(event) {
    const target = event.target.closest?.("[data-tip]");
    if (!target || target === owner) return;
    hide();
    owner = target;
    const box = target.getBoundingClientRect();
    show(target, box.left + box.width / 2, box.top, target.dataset.tip);
    target.setAttribute("aria-describedby", "tooltip");
  }

  document.addEventListener("pointerover", showFor);
  document.addEventListener("focusin", showFor);
  document.addEventListener("pointerout", (event) => {
    if (owner && !owner.contains(event.relatedTarget)) hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  return { show, hide };
}
