// What a report knows of a picture's blur besides its size: its shape and kind, what to beware of, and a map.

import { element, svg, visible } from "./dom.js";

// As the map is encoded (inspection/blur_view.py): red is 16 · (log2 sigma + 2), green 15 times the evidence.
const OCTAVE = 16;
const LOWEST = -2;
// The colours of .ramp in components.css, from sharp to blurred: those of sharpness/figures.py.
const RAMP = [[240, 249, 33], [253, 195, 40], [248, 148, 65], [229, 107, 93], [203, 70, 121], [168, 34, 150], [125, 3, 168], [75, 3, 161], [13, 8, 135]];
const CANVAS_SIDE = 480;

// "< 0.35 px" where the blur lies outside the measurable range; else the text as it is.
export function bounded(text, blur, say) {
  return blur?.bound ? say(blur.bound === "below" ? "blur.below" : "blur.above", { value: text }) : text;
}

// A blur in pixels, never beyond what can be measured.
function pixelsText(value, digits, { limits: [least, most] }, say, format) {
  const text = `${format.short(Number(Math.min(Math.max(value, least), most).toPrecision(digits)))} px`;
  return value < least ? say("blur.below", { value: text }) : value > most ? say("blur.above", { value: text }) : text;
}

// Why there is no blur size, in the words of the page where they are known.
export function reasonText(reason, say) {
  const key = `blur.reason_${reason.split(":")[0].replace(/[^a-z]+/g, "_")}`;
  return say(key) === key ? visible(reason) : say(key);
}

function ratioText(ratio) {
  return `${ratio.toFixed(ratio < 9.95 ? 1 : 0)}×`;
}

// The blur's outline, drawn as it lies in the picture.
function outline({ major, minor, angle }) {
  const turn = `rotate(${(angle * 180) / Math.PI} 8 8)`;
  return svg("svg", { class: "icon outline", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("ellipse", { cx: 8, cy: 8, rx: 6.5, ry: 6.5 * Math.max(0.15, minor / major), transform: turn }));
}

// Rows [name, value] for a list of properties.
export function blurProperties(blur, say, format) {
  // Outside the measurable range nothing is known of shape and kind.
  if (!blur || blur.abstained || blur.bound) return [];
  const ratio = blur.major / blur.minor;
  const angle = `${Math.round((blur.angle * 180) / Math.PI)}°`.replace("-", "−");
  return [
    [say("blur.shape"), element("span", { class: "with-icon" }, outline(blur),
      element("span", blur.round ? {} : { "data-tip": say("blur.angle_help") },
        blur.round ? say("blur.round", { ratio: ratioText(ratio) }) : say("blur.astigmatic", { ratio: ratioText(ratio), angle })))],
    [say("blur.family"), blur.kind ? say("blur.kind", { kind: say(`blur.family_${blur.kind}`), percent: format.percent(blur.family[blur.kind]) }) : say("blur.family_unclear")],
    [say("blur.sharpest"), pixelsText(blur.sharpest, 3, blur, say, format)],
  ];
}

// What to beware of, under the value.
export function blurNotes(blur, say) {
  if (!blur) return [];
  return [
    blur.abstained && element("span", { class: "note" }, reasonText(blur.abstained, say)),
    blur.bound && element("span", { class: "note" }, say(blur.bound === "below" ? "blur.below_note" : "blur.above_note")),
    blur.doubtful && element("span", { class: "caution" }, element("span", { class: "chip warn" }, say("blur.unlike")), " ", say("blur.unlike_note")),
  ];
}

function colour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const below = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[below].map((c, i) => Math.round(c + (RAMP[below + 1][i] - c) * (at - below)));
}

// Sigma in pixels and evidence of every cell, from the encoded map.
function decoded(image) {
  const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const at = (offset) => Array.from({ length: data.length / 4 }, (_, i) => data[4 * i + offset]);
  return { columns: canvas.width, rows: canvas.height, sigma: at(0).map((v) => 2 ** (v / OCTAVE + LOWEST)), evidence: at(1) };
}

function painted(map, [low, high], canvas, [left, top, width, height]) {
  const small = element("canvas", { width: map.columns, height: map.rows });
  const pixels = new ImageData(map.columns, map.rows);
  const most = Math.max(1, ...map.evidence);
  map.sigma.forEach((sigma, i) => {
    const share = Math.log2(sigma / low) / Math.log2(high / low);
    // The root lets a place of a quarter of the evidence still show half.
    pixels.data.set([...colour(share), Math.round(255 * Math.sqrt(map.evidence[i] / most))], 4 * i);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, left * canvas.width, top * canvas.height, width * canvas.width, height * canvas.height);
}

// Where a pointer is within a picture that is drawn `object-fit: contain`, as shares of it.
function within(event, box, aspect) {
  const { left, top, width, height } = box.getBoundingClientRect();
  const drawn = Math.min(width, height * aspect);
  return [(event.clientX - left - (width - drawn) / 2) / drawn, (event.clientY - top - (height - drawn / aspect) / 2) / (drawn / aspect)];
}

// Maps over previews. What a person chose (shown or not, how strong) holds for the next picture too.
export function blurMaps({ say, format, tooltip }) {
  let shown = true;
  let opacity = 65;
  // Draws `source` (a data URI) over `frame` in `figure`, and gives the controls to put below.
  return function mapOver({ figure, frame, source, blur, width, height }) {
    const scale = CANVAS_SIDE / Math.max(width, height);
    const canvas = element("canvas", { class: "upper", width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)), "aria-hidden": "true" });
    const toggle = element("input", { type: "checkbox", checked: shown });
    const slider = element("input", { type: "range", min: 10, max: 100, value: opacity, "aria-label": say("overlay.opacity") });
    const px = (value) => pixelsText(value, 2, blur, say, format);
    const scaleBar = element("span", { class: "scale" },
      element("span", {}, say("blur.sharp_end", { value: px(blur.colours[0]) })), element("span", { class: "ramp" }), element("span", {}, say("blur.blurred_end", { value: px(blur.colours[1]) })));
    const draw = () => {
      figure.style.setProperty("--opacity", opacity / 100);
      canvas.hidden = slider.disabled = !shown;
      frame.classList.toggle("under-map", shown);
      scaleBar.classList.toggle("off", !shown);
    };
    toggle.addEventListener("change", () => {
      shown = toggle.checked;
      draw();
    });
    slider.addEventListener("input", () => {
      opacity = Number(slider.value);
      draw();
    });
    figure.classList.add("map-overlay");
    draw();
    const image = new Image();
    image.addEventListener("load", () => {
      const map = decoded(image);
      painted(map, blur.colours, canvas, blur.place);
      frame.append(canvas);
      frame.addEventListener("pointermove", (event) => {
        const [x, y] = within(event, frame, width / height);
        const [column, row] = [Math.floor(((x - blur.place[0]) / blur.place[2]) * map.columns), Math.floor(((y - blur.place[1]) / blur.place[3]) * map.rows)];
        const cell = row * map.columns + column;
        const inside = shown && x >= 0 && x < 1 && y >= 0 && y < 1 && column >= 0 && column < map.columns && row >= 0 && row < map.rows;
        if (inside && map.evidence[cell] > 0) tooltip.show(frame, event.clientX, event.clientY, px(map.sigma[cell]));
        else tooltip.hide();
      });
      frame.addEventListener("pointerleave", () => tooltip.hide());
    });
    image.src = source;
    return element("div", { class: "map-controls" },
      element("label", { class: "check" }, toggle, element("span", {}, say("blur.map"))), slider, scaleBar,
      element("p", { class: "note" }, say("blur.map_note")));
  };
}
