// A map (blur, depth, …) over its picture, with its opacity to choose.

export function mapOverlays(root = document) {
  for (const box of root.querySelectorAll(".map-overlay")) {
    const range = box.querySelector("input");
    const fade = () => box.style.setProperty("--opacity", range.value / 100);
    range.addEventListener("input", fade);
    fade();
  }
}
