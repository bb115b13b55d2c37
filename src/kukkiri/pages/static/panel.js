// The panel of one picture: a dialog with its preview, all values, and what went wrong.

import { blurNotes, blurProperties } from "./blur.js";
import { copyText, element, icon, visible } from "./dom.js";
import { errorList, noticeText } from "./failures.js";
import { formatValue } from "./format.js";
import { wrongPart } from "./quality.js";

// "info-bar 4096×192 at 0,2880" in the words of the page; anything else stays as it is.
export function maskedText(text, say) {
  return visible(text).replace(/([a-z-]+) (\d+)×(\d+) at (\d+),(\d+)/g, (whole, kind, width, height, x, y) =>
    say("overlay.at", { kind: kind.length && say(`overlay.${kind}`) !== `overlay.${kind}` ? say(`overlay.${kind}`) : kind, width, height, x, y }));
}

// What was left out, without the places: "info bar, 2 × text".
export function maskedKinds(text, say) {
  const counts = new Map();
  for (const part of visible(text).split("; ")) {
    const kind = /^([a-z-]+) \d+×\d+ at /.exec(part)?.[1];
    const name = kind && say(`overlay.${kind}`) !== `overlay.${kind}` ? say(`overlay.${kind}`) : kind ?? part;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name)).join(", ");
}

function list(entries) {
  return element("dl", { class: "properties" }, ...entries.filter(([, value]) => value !== null).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

// model: {get(row, key), blur(row), quality(row), value(row, column, unit), others(row), columns, present(column), label(column), subtitle(column, tag), name(row), page(row), relative(column), direction(column), better(row, column), level(row, column), equal(row, column), partly(row), gateFailed(row)}
export function picturePanel({ model, say, format, thumbnails, mapOver }) {
  const dialog = element("dialog", { class: "panel", "aria-labelledby": "panel-title" });
  document.body.append(dialog);
  let order = [];
  let at = 0;

  const button = (name, key, action, disabled = false) =>
    element("button", { type: "button", class: "icon-button", disabled, "aria-label": say(key), onclick: action }, icon(name));

  function measurement(row, column) {
    const value = model.get(row, column.key);
    const blur = column.key === "sigma" ? model.blur(row) : null;
    const better = model.better(row, column);
    const direction = model.direction(column);
    const standing = better === null ? null : say(`better_than.${model.relative(column) ? "relative" : column.answers}`, { percent: format.percent(better) });
    const note = standing && direction ? say("panel.standing", { better: standing, direction }) : standing ?? direction;
    const ends = (column.interval ?? []).map((key) => model.get(row, key)).filter((end) => typeof end === "number");
    const interval = ends.length ? say("panel.interval", { low: formatValue(format, column, ends[0]), high: formatValue(format, column, ends[1]) }) : null;
    const pixel = model.get(row, "pixel_size");
    const metres = column.kind === "pixels" && value !== null && pixel && !blur?.bound ? ` = ${format.length(value * pixel)}` : "";
    const level = model.level(row, column);
    const meter = level === null ? null : element("span", { class: "meter", "aria-hidden": "true" }, element("span", {}));
    if (meter) meter.firstChild.style.width = `${level * 100}%`;
    return element("div", { class: "measurement" },
      element("dt", {}, model.label(column), model.subtitle(column, "span")),
      element("dd", {},
        element("span", { class: "value" }, value === null ? say("panel.not_measurable") : model.value(row, column, true) + metres),
        ...blurNotes(blur, say),
        interval && element("span", { class: "note" }, interval),
        meter,
        note ? element("span", { class: "note" }, note) : null,
        better !== null && model.equal(row, column) > 0 ? element("span", { class: "note" }, say("panel.equal", { count: format.count(model.equal(row, column)) })) : null,
        value !== null && blur ? list(blurProperties(blur, say, format)) : null,
        ...(value !== null && column.judges ? wrongPart(model.quality(row), say, format) : [])));
  }

  function draw() {
    const row = order[at];
    const get = (key) => model.get(row, key);
    const [width, height, pixel, error, channels] = ["width", "height", "pixel_size", "error", "channels"].map(get);
    const failed = error && !model.partly(row);
    const status = element("span", { class: "copied", role: "status" });
    const known = [
      [say("panel.size"), width && height ? `${width} × ${height} px` : null],
      [say("panel.depth"), get("bit_depth") ? [say("panel.bits", { bits: get("bit_depth") }), channels === 1 || channels === 3 ? say(`panel.channels_${channels}`) : null].filter(Boolean).join(say("panel.separator")) : null],
      [say("panel.pixel_size"), failed ? null : pixel ? format.length(pixel) : say("panel.pixel_size_none")],
      [say("panel.field"), pixel && width && height ? `${format.length(width * pixel)} × ${format.length(height * pixel)}` : null],
      [say("panel.plane"), model.page(row) ? say("panel.plane_of", { page: model.page(row), plane: model.page(row) - 1 }) : null],
      [say("panel.masked"), failed ? null : get("masked") ? maskedText(get("masked"), say) : say("panel.masked_none")],
      ...model.columns.filter((c) => !c.answers && get(c.key) !== null).map((c) => [model.label(c), formatValue(format, c, get(c.key), true)]),
      [say("panel.version"), get("version") ? `Kukkiri ${visible(get("version"))}` : null],
    ];
    const others = Object.entries(model.others(row)).map(([key, value]) =>
      [visible(key), visible(typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? format.short(value) : value)]);
    const judged = model.columns.filter((c) => c.answers && (get(c.key) !== null || (c.shown && !failed && (model.present(c) || (c.key === "sigma" && model.blur(row))))));
    const frame = thumbnails.frame(row, element);
    frame.querySelector("img").addEventListener("load", ({ target }) => {
      note.textContent = say("panel.preview", { size: `${target.naturalWidth} × ${target.naturalHeight}` });
    });
    const note = element("p", {}, say("panel.no_preview"));
    const caption = element("figcaption", {}, note);
    const figure = element("figure", {}, frame, caption);
    const map = model.blur(row)?.place && thumbnails.map(row);
    if (map) caption.append(mapOver({ figure, frame, source: map, blur: model.blur(row), width, height }));

    dialog.replaceChildren(
      element("header", {},
        element("h2", { id: "panel-title" }, element("bdi", {}, model.name(row))),
        element("div", { class: "panel-buttons" },
          button("left", "panel.previous", () => step(-1), at === 0),
          button("right", "panel.next", () => step(1), at === order.length - 1),
          button("close", "panel.close", () => dialog.close()))),
      element("p", { class: "panel-path" },
        element("bdi", {}, visible(get("path"))),
        element("button", { type: "button", class: "quiet", onclick: async () => {
          await copyText(String(get("path")));
          status.textContent = say("table.copied", { count: 1 });
        } }, say("panel.copy")), status),
      element("div", { class: "panel-body" },
        element("div", {}, figure),
        element("div", {},
          error ? element("section", { class: failed ? "failure" : "failure partly" }, element("h3", {}, say(failed ? "report.failed" : "report.partly")), errorList(error, say)) : null,
          get("notice") ? element("p", { class: "caution" }, element("span", { class: "chip warn" }, say("notice.title")), " ", noticeText(get("notice"), say)) : null,
          model.gateFailed(row) ? element("p", {}, element("span", { class: "chip warn" }, say("table.gate_failed"))) : null,
          judged.length ? element("section", {}, element("h3", {}, say("panel.measurements")), element("dl", { class: "measurements" }, ...judged.map((c) => measurement(row, c)))) : null,
          element("section", {}, element("h3", {}, say("panel.picture")), list(known)),
          others.length ? element("section", {}, element("h3", {}, say("panel.other")), list(others)) : null)),
    );
  }

  function step(by) {
    if (!order[at + by] && order[at + by] !== 0) return;
    at += by;
    const focused = document.activeElement?.getAttribute("aria-label");
    draw();
    const again = focused && dialog.querySelector(`[aria-label="${CSS.escape(focused)}"]:not(:disabled)`);
    (again || dialog.querySelector(`[aria-label="${CSS.escape(say("panel.close"))}"]`)).focus();
  }

  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
  });
  // The backdrop is the dialog itself, outside the boxes of its children.
  dialog.addEventListener("click", (event) => {
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === dialog && !inside) dialog.close();
  });

  return {
    open(row, rows) {
      order = rows.includes(row) ? rows : [row];
      at = order.indexOf(row);
      draw();
      dialog.showModal();
      dialog.scrollTop = 0;
      dialog.querySelector(`[aria-label="${CSS.escape(say("panel.close"))}"]`).focus();
    },
  };
}
