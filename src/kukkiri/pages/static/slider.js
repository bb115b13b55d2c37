// Before and after: two pictures on top of each other, divided by a line that moves.

export function beforeAfterSliders(root = document) {
  for (const box of root.querySelectorAll(".before-after")) {
    const range = box.querySelector("input");
    const move = () => box.style.setProperty("--split", `${range.value}%`);
    range.addEventListener("input", move);
    move();
  }
}
