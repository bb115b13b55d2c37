// The measurement report: rows from the page's data blocks, charts, best and worst, table, failures.

import { blurMaps, reasonText } from "./blur.js";
import { chartCard } from "./chart-card.js";
import { copyText, element, icon, visible } from "./dom.js";
import { errorList, errorSummary, noticeText } from "./failures.js";
import { formatValue } from "./format.js";
import { menus } from "./menu.js";
import { maskedKinds, maskedText, picturePanel } from "./panel.js";
import { all, blurOf, cautionOf, config, direction, failures, folder, format, gateFailed, get, help, label, model, nameOf, nameParts, pageOf, partly, paths, present, qualityOf, relative, rows, say, sorted, titleOf, valueText } from "./report-data.js";
import { wrongCard, wrongCell, wrongName, wrongNames, wrongText } from "./quality.js";
import { dataTable } from "./table.js";
import { themeSwitch } from "./theme.js";
import { thumbnailStore } from "./thumbnails.js";
import { tooltips } from "./tooltip.js";

const byId = (id) => document.getElementById(id);
const tooltip = tooltips();
const thumbnails = thumbnailStore(config.block);
const panel = picturePanel({ model, say, format, thumbnails, mapOver: blurMaps({ say, format, tooltip }) });
let order = all; // the rows of the table, as sorted and filtered
const filters = { text: "", failures: false, gate: false, wrong: null, ranges: new Map() };

// ---- table

const errorChip = (row) => element("span", { class: `chip ${partly(row) ? "warn" : "fail"}` }, say(partly(row) ? "table.partly" : "table.failed"));

function fileCell(row) {
  const [own, name] = nameParts(row);
  return element("div", { class: "file" },
    element("button", { type: "button", class: "file-name", "aria-label": say("table.open", { name: nameOf(row) }), onclick: () => panel.open(row, order) },
      element("bdi", {}, element("span", { class: "dim" }, own), name)),
    pageOf(row) ? element("span", { class: "dim" }, say("table.plane", { page: pageOf(row) })) : null,
    gateFailed(row) ? element("span", { class: "chip warn" }, say("table.gate_failed")) : null,
    get(row, "notice") ? element("span", { class: "chip warn", "data-tip": noticeText(get(row, "notice"), say) }, say("notice.title")) : null,
    get(row, "error") ? element("span", { class: "row-error" }, errorChip(row), " ", ...errorSummary(get(row, "error"), say)) : null);
}

function numberCell(row, column) {
  const value = get(row, column.key) ?? null;
  const level = model.level(row, column);
  const why = column.key === "sigma" && blurOf(row)?.abstained;
  const text = element("span", { class: "value", "data-tip": why ? reasonText(why, say) : null }, valueText(row, column));
  const bound = column.key === "sigma" && blurOf(row)?.bound;
  const ends = value === null || bound ? [] : (column.interval ?? []).map((key) => get(row, key)).filter((end) => typeof end === "number");
  const interval = ends.length === 2 ? element("span", { class: "interval" }, ends.map((end) => formatValue(format, column, end)).join(" – ")) : null;
  if (level === null && !interval) return text;
  if (level === null) return element("span", { class: "value-cell" }, text, interval);
  const meter = element("span", { class: "meter", "aria-hidden": "true" }, element("span", {}));
  meter.firstChild.style.width = `${level * 100}%`;
  return element("span", { class: "value-cell" }, text, interval, meter);
}

const wrongColumn = {
  key: "wrong",
  label: say("wrong.title"),
  tip: say("wrong.help"),
  shown: true,
  value: (row) => (qualityOf(row) ? wrongText(qualityOf(row), say) : null),
  cell: (row) => (qualityOf(row) ? wrongCell(qualityOf(row), say, format) : ""),
};

const tableColumns = [
  { key: "thumbnail", label: say("table.thumbnail"), shown: true, fixed: true, cell: (row) => thumbnails.frame(row, element) },
  { key: "path", label: say("table.path"), shown: true, fixed: true, value: (row) => paths[row], cell: fileCell },
  {
    key: "size",
    label: say("table.size"),
    shown: true,
    numeric: true,
    first: "descending",
    value: (row) => (get(row, "width") ? get(row, "width") * get(row, "height") : null),
    cell: (row) => element("span", { class: "value dim" }, get(row, "width") ? `${get(row, "width")} × ${get(row, "height")}` : "–"),
  },
  ...config.columns.filter(present).flatMap((column) => [{
    key: column.key,
    label: label(column),
    tip: [titleOf(column), help(column), direction(column), column.interval && say("table.interval"), column.answers && say("table.bar")].filter(Boolean).join("\n"),
    numeric: true,
    shown: Boolean(column.shown),
    // The first click shows the worst.
    first: column.higher_is_better === true ? "ascending" : "descending",
    value: (row) => get(row, column.key) ?? null,
    cell: (row) => numberCell(row, column),
  }, ...(column.judges ? [wrongColumn] : [])]),
  ...(all.some((row) => get(row, "masked")) ? [{
    key: "masked",
    label: say("panel.masked"),
    shown: true,
    value: (row) => get(row, "masked") || null,
    cell: (row) => (get(row, "masked") ? element("span", { class: "dim", "data-tip": maskedText(get(row, "masked"), say) }, maskedKinds(get(row, "masked"), say)) : ""),
  }] : []),
];

const table = dataTable({
  columns: tableColumns,
  caption: say("table.caption"),
  say,
  format,
  rowClass: (row) => [get(row, "error") ? (partly(row) ? "partly" : "failed") : "", gateFailed(row) ? "gate-failed" : ""].join(" ").trim() || null,
  onOpen: (row) => panel.open(row, order),
  onOrder: (next) => {
    order = next;
  },
});

// ---- filters

function passes(row) {
  if (filters.failures && !get(row, "error")) return false;
  if (filters.gate && !gateFailed(row)) return false;
  if (filters.wrong && !(qualityOf(row) && wrongNames(qualityOf(row)).includes(filters.wrong))) return false;
  for (const [key, { low, high, open }] of filters.ranges) {
    const value = get(row, key);
    if (typeof value !== "number" || (low !== null && value < low) || (high !== null && (open ? value >= high : value > high))) return false;
  }
  const name = paths[row].toLocaleLowerCase();
  return filters.text.every((word) => name.includes(word));
}
filters.text = [];

const charts = new Map();
let damage = null; // the card that counts what is wrong

function rangeText(column, { low, high }) {
  const write = (value) => (value === null ? "" : formatValue(format, column, value));
  return `${label(column)} ${write(low)} – ${write(high)}`;
}

function chip(text, onclick) {
  return element("button", { type: "button", class: "chip filter", "aria-label": say("table.remove", { name: text }), onclick }, text, icon("close"));
}

function chooseWrong(name) {
  filters.wrong = filters.wrong === name ? null : name;
  apply();
}

function apply() {
  const some = filters.text.length || filters.failures || filters.gate || filters.wrong || filters.ranges.size;
  const shown = some ? all.filter(passes) : all;
  table.setRows(shown);
  for (const [key, chart] of charts) chart.update(some ? shown.map((row) => get(row, key)) : null, filters.ranges.get(key) ?? null);
  damage?.update(shown, filters.wrong);
  byId("shown").textContent = say("table.shown", { count: format.count(shown.length), total: format.count(rows.length) });
  const chips = [...filters.ranges].map(([key, range]) => {
    return chip(rangeText(config.columns.find((c) => c.key === key), range), () => setRange(key, null));
  });
  if (filters.wrong) chips.push(chip(`${say("wrong.title")}${say("wrong.colon")}${wrongName(filters.wrong, say)}`, () => chooseWrong(filters.wrong)));
  byId("chips").replaceChildren(...chips);
  byId("clear").hidden = !some;
  byId("copied").textContent = "";
}

function setRange(key, range) {
  if (range && (range.low !== null || range.high !== null)) filters.ranges.set(key, range);
  else filters.ranges.delete(key);
  apply();
}

function toolbar() {
  const search = byId("search");
  search.addEventListener("input", () => {
    filters.text = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    apply();
  });
  const boxes = ["failures", "gate"].map((name) => [name, byId(`only-${name}`)]).filter(([, box]) => box);
  for (const [name, box] of boxes) {
    box.addEventListener("change", () => {
      filters[name] = box.checked;
      apply();
    });
  }
  byId("clear").addEventListener("click", () => {
    search.value = "";
    Object.assign(filters, { text: [], failures: false, gate: false, wrong: null });
    filters.ranges.clear();
    for (const [, box] of boxes) box.checked = false;
    apply();
    search.focus();
  });
  byId("copy").addEventListener("click", async () => {
    await copyText(order.map((row) => paths[row]).join("\n"));
    byId("copied").textContent = say("table.copied", { count: format.count(order.length) });
  });
  byId("column-list").append(...tableColumns.filter((c) => !c.fixed).map((column) =>
    element("label", { class: "check" },
      element("input", { type: "checkbox", checked: column.shown, onchange: (event) => table.setShown(column.key, event.target.checked) }),
      element("span", {}, column.label))));
  byId("table").append(table.node);
}

// ---- charts

function drawCharts() {
  // One value has no distribution.
  const several = config.columns.filter((c) => sorted.get(c.key).length > 1);
  const judged = several.filter((c) => c.answers);
  const plain = several.filter((c) => !c.answers);
  for (const [id, columns] of [["charts", judged], ["more-charts", plain]]) {
    for (const column of columns) {
      const card = chartCard({ column, tooltip, onRange: (range) => setRange(column.key, range) });
      charts.set(column.key, card);
      byId(id).append(card.node);
      if (column.judges) {
        damage = wrongCard({ all, qualityOf, say, format, onChoose: chooseWrong });
        byId(id).append(damage.node);
      }
    }
    // 4, 3 or 2 beside each other, whichever leaves the fewest places of the last row empty.
    const cards = byId(id).childElementCount;
    const empty = (beside) => (beside - (cards % beside)) % beside;
    const beside = cards < 3 ? 2 : [4, 3].reduce((best, c) => (empty(c) < empty(best) ? c : best));
    byId(id).style.setProperty("--columns", beside);
  }
  byId("more").hidden = plain.length === 0;
  byId("distributions").hidden = judged.length + plain.length === 0;
}

// ---- best and worst

function drawExtremes() {
  const judged = config.columns.filter((c) => c.answers && sorted.get(c.key).length > 1);
  const select = byId("extremes-by");
  byId("extremes").hidden = judged.length === 0;
  if (!judged.length) return;
  const first = ["sigma", "tenengrad"].map((key) => judged.find((c) => c.key === key)).find(Boolean) ?? judged[0];
  select.append(...judged.map((c) => element("option", { value: c.key, selected: c === first }, label(c))));
  function draw() {
    const column = judged.find((c) => c.key === select.value);
    const sign = column.higher_is_better ? -1 : 1;
    const ranked = all.filter((row) => typeof get(row, column.key) === "number").sort((a, b) => sign * (get(a, column.key) - get(b, column.key)) || a - b);
    const many = Math.min(8, Math.floor(ranked.length / 2));
    const strip = (name, chosen) => element("div", { class: "strip" },
      element("h3", {}, say(`extremes.${name}_${relative(column) ? "relative" : column.answers}`)),
      element("ol", {}, ...chosen.map((row) => element("li", {},
        element("button", { type: "button", class: "tile", onclick: () => panel.open(row, chosen) },
          thumbnails.frame(row, element),
          element("span", { class: "value" }, valueText(row, column)),
          get(row, "error") ? errorChip(row) : null,
          element("bdi", { class: "tile-name" }, nameOf(row)))))));
    const caution = cautionOf(column);
    byId("extremes-note").hidden = caution === null;
    byId("extremes-note").textContent = caution === null ? "" : say(caution);
    byId("strips").replaceChildren(strip("best", ranked.slice(0, many)), strip("worst", ranked.slice(-many).reverse()));
  }
  select.addEventListener("change", draw);
  draw();
}

// ---- failures and summary

function drawFailures() {
  const box = byId("failure-list");
  if (!box) return;
  const step = 50;
  let done = 0;
  const more = byId("failures-more");
  function draw() {
    const next = failures.slice(done, done + step);
    done += next.length;
    box.append(...next.map((row) => element("li", {}, element("button", { type: "button", class: "file-name", "aria-label": say("table.open", { name: nameOf(row) }), onclick: () => panel.open(row, failures) }, element("bdi", {}, nameOf(row))), partly(row) ? errorChip(row) : null, errorList(get(row, "error"), say))));
    more.hidden = done === failures.length;
    more.textContent = say("failure.more", { count: format.count(Math.min(step, failures.length - done)) });
  }
  more.addEventListener("click", draw);
  draw();
}

function drawSummary() {
  if (folder) {
    byId("folder").append(element("bdi", {}, visible(folder)));
    byId("folder").parentElement.hidden = false;
  }
}

themeSwitch(byId("theme"));
menus();
drawSummary();
if (rows.length) {
  toolbar();
  drawCharts();
  table.draw();
  apply();
  drawExtremes();
  drawFailures();
}
document.documentElement.dataset.ready = "true";
