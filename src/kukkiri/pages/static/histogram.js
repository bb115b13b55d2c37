// A histogram with axes; bars can be brushed with the pointer or the keyboard to choose a range.

import { element, svg } from "./dom.js";
import { formatValue } from "./format.js";
import { binCounts, binEdges, logTicks, quantile, sortedValues, ticks } from "./statistics.js";

const HEIGHT = 168;
const MARGIN = { top: 20, right: 8, bottom: 22, left: 34 };

// options: column, values (all), label, say, format, tooltip, onRange({low, high, open} or null)
export function histogram({ column, values, label, say, format, tooltip, onRange }) {
  const sorted = sortedValues(values);
  const { edges, log } = binEdges(sorted, column.kind === "count");
  const counts = binCounts(sorted, edges);
  const median = quantile(sorted, 0.5);
  const write = (value) => formatValue(format, column, value);
  let part = counts; // of the pictures shown
  let filtered = false;
  let range = null;
  let brush = null; // [anchor, moving end], bars
  let width = 0;

  const root = svg("svg", {
    class: "histogram",
    tabindex: 0,
    role: "group",
    "aria-label": say("chart.keyboard", { name: label, count: format.count(sorted.length), median: write(median) }),
    "aria-roledescription": "histogram",
  });
  const live = element("span", { class: "visually-hidden", "aria-live": "polite" });
  const node = element("div", { class: "histogram-box" }, root, live);

  const scale = log ? Math.log10 : (v) => v;
  const x = (value) => {
    const share = (scale(value) - scale(edges[0])) / (scale(edges.at(-1)) - scale(edges[0]));
    return MARGIN.left + share * (width - MARGIN.left - MARGIN.right);
  };
  const chosen = (i) => {
    if (brush) return i >= Math.min(...brush) && i <= Math.max(...brush);
    return !range || ((range.high === null || edges[i] < range.high) && (range.low === null || edges[i + 1] > range.low));
  };

  function describe(i) {
    return say(filtered ? "chart.bar_part" : "chart.bar", {
      low: write(edges[i]),
      high: write(edges[i + 1]),
      count: format.count(counts[i]),
      total: format.count(sorted.length),
      percent: format.percent(counts[i] / sorted.length),
      part: format.count(part[i]),
    });
  }

  function draw() {
    const top = Math.max(...counts, 1);
    const bottom = HEIGHT - MARGIN.bottom;
    const y = (count) => bottom - (count / top) * (bottom - MARGIN.top);
    root.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    root.replaceChildren();
    const levels = ticks(0, top, 3).filter((t) => Number.isInteger(t));
    for (const level of levels) {
      root.append(svg("line", { class: level ? "grid" : "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(level), y2: y(level) }));
      if (level) root.append(svg("text", { class: "tick", x: MARGIN.left - 6, y: y(level) + 4, "text-anchor": "end" }, format.count(level)));
    }
    counts.forEach((count, i) => {
      const left = x(edges[i]) + 0.5;
      const bar = { x: left, width: Math.max(1, x(edges[i + 1]) - 0.5 - left) };
      // Even a single picture among thousands must be seen.
      const high = (n) => (n ? Math.max(2, bottom - y(n)) : 0);
      root.append(svg("rect", { class: "bar-all", ...bar, y: bottom - high(count), height: high(count) }));
      if (chosen(i)) root.append(svg("rect", { class: "bar-shown", ...bar, y: bottom - high(part[i]), height: high(part[i]) }));
    });
    const positions = (log ? logTicks : ticks)(edges[0], edges.at(-1), Math.max(2, Math.floor(width / 80)));
    let free = -Infinity;
    for (const position of sorted[0] === sorted.at(-1) ? [median] : positions) {
      const text = column.kind === "fraction" ? format.percent(position) : format.short(position);
      const half = text.length * 3.4;
      const at = x(position);
      root.append(svg("line", { class: "axis", x1: at, x2: at, y1: bottom, y2: bottom + 4 }));
      if (at - half < free) continue;
      free = at + half + 6;
      const anchor = at - half < 0 ? "start" : at + half > width ? "end" : "middle";
      root.append(svg("text", { class: "tick", x: at, y: HEIGHT - 5, "text-anchor": anchor }, text));
    }
    const at = x(median);
    const side = at > width * 0.6 ? -1 : 1;
    root.append(svg("line", { class: "median", x1: at, x2: at, y1: 6, y2: bottom }));
    root.append(svg("text", { class: "median-label", x: at + 5 * side, y: 13, "text-anchor": side > 0 ? "start" : "end" }, `${say("chart.median")} ${write(median)}`));
  }

  const barAt = (event) => {
    const at = event.clientX - root.getBoundingClientRect().left;
    const found = edges.findIndex((_, i) => i && at < x(edges[i]));
    return found < 0 ? counts.length - 1 : found - 1;
  };
  function choose() {
    const [low, high] = [Math.min(...brush), Math.max(...brush)];
    // A bar holds its lower edge and not its upper one, but for the last.
    const next = { low: edges[low], high: edges[high + 1], open: high + 1 < counts.length };
    brush = null;
    onRange(range && next.low === range.low && next.high === range.high ? null : next);
  }
  function point(i) {
    const box = root.getBoundingClientRect();
    tooltip.show(root, box.left + (x(edges[i]) + x(edges[i + 1])) / 2, box.top + MARGIN.top, describe(i));
  }

  root.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (event.pointerType !== "touch") root.setPointerCapture(event.pointerId);
    brush = [barAt(event), barAt(event)];
    draw();
  });
  root.addEventListener("pointermove", (event) => {
    const i = barAt(event);
    point(i);
    if (brush && event.buttons && brush[1] !== i) {
      brush[1] = i;
      draw();
    }
  });
  root.addEventListener("pointerup", () => brush && choose());
  root.addEventListener("pointercancel", () => {
    brush = null;
    draw();
  });
  root.addEventListener("pointerleave", () => tooltip.hide());
  root.addEventListener("blur", () => {
    brush = null;
    tooltip.hide();
    draw();
  });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const from = brush ? brush[1] + step : step > 0 ? 0 : counts.length - 1;
      const to = Math.min(Math.max(0, from), counts.length - 1);
      brush = [event.shiftKey && brush ? brush[0] : to, to];
      live.textContent = describe(to);
      point(to);
      draw();
    } else if (event.key === "Enter" && brush) {
      choose();
    } else if (event.key === "Escape") {
      brush = null;
      onRange(null);
    } else return;
    event.preventDefault();
  });
  new ResizeObserver(() => {
    const now = Math.round(node.clientWidth);
    if (!now || now === width) return;
    width = now;
    draw();
  }).observe(node);

  return {
    node,
    sorted,
    median,
    log,
    // Show the part that passes the filters, and the range that this chart filters by.
    update(shownValues, newRange) {
      filtered = shownValues !== null;
      part = filtered ? binCounts(sortedValues(shownValues), edges) : counts;
      range = newRange;
      if (width) draw();
    },
  };
}
