// Thumbnails lie as base64 lines in <script type="text/plain"> blocks; one goes into the page only when it is seen.
// A line may hold a second picture after a comma: the map of the blur.

const TYPES = [["/9j/", "jpeg"], ["iVBOR", "png"], ["UklGR", "webp"]];
const KEPT = 16; // decoded blocks that are kept

export function thumbnailStore(rowsInBlock) {
  const blocks = document.getElementsByClassName("thumbnails"); // live: blocks may still be arriving
  const decoded = new Map();

  // The address of a row's picture, or of the second one; "" if there is none, null if it has not arrived yet.
  function address(row, which = 0) {
    const at = Math.floor(row / rowsInBlock);
    let lines = decoded.get(at);
    if (!lines) {
      if (!blocks[at] || (document.readyState === "loading" && at === blocks.length - 1)) return null;
      lines = blocks[at].textContent.split("\n");
      decoded.set(at, lines);
      if (decoded.size > KEPT) decoded.delete(decoded.keys().next().value);
    }
    const data = lines[row % rowsInBlock]?.split(",")[which];
    const type = TYPES.find(([start]) => data?.startsWith(start));
    return type ? `data:image/${type[1]};base64,${data}` : "";
  }

  function load(image) {
    const source = address(Number(image.dataset.row));
    if (source === null) document.addEventListener("DOMContentLoaded", () => load(image), { once: true });
    else if (source) {
      image.src = source;
      image.hidden = false;
    } else image.closest(".thumbnail")?.classList.add("empty");
  }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        load(target.querySelector("img"));
      }
    },
    { rootMargin: "400px" },
  );
  addEventListener("beforeprint", () => {
    for (const image of document.querySelectorAll(".thumbnail img[data-row]:not([src])")) load(image);
  });

  // A frame that loads the row's thumbnail when it comes near the window.
  function frame(row, element) {
    const image = element("img", { alt: "", decoding: "async", "data-row": row, hidden: true });
    const box = element("span", { class: "thumbnail" }, image);
    observer.observe(box);
    return box;
  }
  return { frame, map: (row) => address(row, 1) };
}
