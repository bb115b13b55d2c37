// A chart of the report in its card, with limits to type and what the measure means.

import { element } from "./dom.js";
import { histogram } from "./histogram.js";
import { all, direction, format, get, help, label, partly, say, subtitle } from "./report-data.js";

// A number as one types it.
function typed(value, digits) {
  if (value === null || value === undefined) return "";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return Math.abs(Number(exponent)) > 4 ? `${Number(mantissa)}e${Number(exponent)}` : String(Number(value.toPrecision(digits)));
}

function limits(column, chart, onRange) {
  const input = (side) => element("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "aria-label": say(side === "low" ? "chart.from" : "chart.to", { name: label(column) }),
    placeholder: typed(side === "low" ? chart.sorted[0] : chart.sorted.at(-1), 3),
  });
  const [low, high] = [input("low"), input("high")];
  const clear = element("button", { type: "button", class: "quiet", hidden: true, onclick: () => onRange(null) }, say("chart.clear"));
  const read = (field) => {
    const text = field.value.normalize("NFKC").replaceAll("−", "-").replaceAll(",", "").trim();
    const value = text === "" ? null : Number(text);
    field.setAttribute("aria-invalid", String(Number.isNaN(value)));
    return Number.isNaN(value) ? null : value;
  };
  for (const field of [low, high]) {
    field.addEventListener("change", () => onRange({ low: read(low), high: read(high), open: false }));
  }
  return {
    node: element("div", { class: "limits" }, low, element("span", { "aria-hidden": "true" }, "–"), high, clear),
    show(range) {
      low.value = typed(range?.low, 5);
      high.value = typed(range?.high, 5);
      clear.hidden = !range;
    },
  };
}

function about(column) {
  const [low, high] = column.value_range;
  const bound = (value) => (value === null ? say("chart.unbounded") : format.short(value));
  const unit = column.kind === "pixels" ? "px" : column.unit;
  return element("details", { class: "about" }, element("summary", {}, say("chart.about")),
    help(column) ? element("p", {}, help(column)) : null,
    element("dl", { class: "properties" },
      element("div", {}, element("dt", {}, say("chart.range")), element("dd", {}, `${bound(low)} – ${bound(high)}`)),
      unit ? element("div", {}, element("dt", {}, say("chart.unit")), element("dd", {}, unit)) : null,
      column.paper ? element("div", {}, element("dt", {}, say("chart.paper")), element("dd", { lang: "en" }, column.paper)) : null));
}

// A card with the chart of one column; update(values of the rows shown, range) keeps it in step with the filters.
export function chartCard({ column, tooltip, onRange }) {
  const chart = histogram({
    column,
    values: all.map((row) => get(row, column.key)),
    label: label(column),
    say,
    format,
    tooltip,
    onRange,
  });
  const fields = limits(column, chart, onRange);
  const missing = all.filter((row) => (!get(row, "error") || partly(row)) && typeof get(row, column.key) !== "number").length;
  const unit = column.kind === "pixels" ? "px" : column.unit;
  const node = element("article", { class: "card chart" },
    element("header", {},
      element("h3", {}, label(column), unit ? element("span", { class: "unit" }, unit) : null),
      subtitle(column, "p")),
    chart.node,
    element("p", { class: "axis-note" },
      element("span", { class: "direction" }, !column.higher_is_better && direction(column) ? `← ${direction(column)}` : "", chart.log ? element("span", { class: "dim" }, ` ${say("chart.log")}`) : null),
      element("span", { class: "direction" }, column.higher_is_better && direction(column) ? `${direction(column)} →` : ""),
      missing > 0 ? element("span", { class: "missing" }, say("chart.missing", { count: format.count(missing) })) : null),
    fields.node,
    about(column));
  return {
    node,
    update(shown, range) {
      chart.update(shown, range);
      fields.show(range);
    },
  };
}
