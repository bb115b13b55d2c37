// A table that sorts and pages; under 640 px its rows are drawn as cards (components.css).

import { element, icon } from "./dom.js";

const PAGE_SIZES = [25, 50, 100, 500];

// columns: [{key, label, tip, numeric, first ('ascending' or 'descending'), value(row), cell(row), shown}]
export function dataTable({ columns, caption, say, format, rowClass, onOpen, onOrder }) {
  const head = element("thead", { role: "rowgroup" });
  const body = element("tbody", { role: "rowgroup" });
  const table = element("table", { role: "table" }, element("caption", { class: "visually-hidden" }, caption), head, body);
  const scroller = element("div", { class: "table-scroll" }, table);
  const sortKey = element("select", { "aria-label": say("table.sort") });
  const sortWay = element("select", { "aria-label": say("table.sort") },
    element("option", { value: "ascending" }, say("table.sort_up")),
    element("option", { value: "descending" }, say("table.sort_down")));
  const sortBox = element("div", { class: "sort-box" }, element("span", {}, say("table.sort")), sortKey, sortWay);
  const pager = element("nav", { class: "pager", "aria-label": caption });
  const node = element("div", { class: "data-table" }, sortBox, scroller, pager);
  const collator = new Intl.Collator(undefined, { numeric: true });

  let rows = [];
  let order = [];
  let sort = { key: null, way: "ascending" };
  let page = 0;
  let size = matchMedia("(max-width: 640px)").matches ? PAGE_SIZES[0] : PAGE_SIZES[1];

  const shown = () => columns.filter((column) => column.shown);

  function arrange() {
    const column = columns.find((c) => c.key === sort.key);
    order = [...rows];
    if (column) {
      const sign = sort.way === "ascending" ? 1 : -1;
      const value = new Map(order.map((row) => [row, column.value(row)]));
      const none = (v) => v === null || v === undefined;
      order.sort((a, b) => {
        const [p, q] = [value.get(a), value.get(b)];
        if (none(p) || none(q)) return none(p) - none(q) || a - b; // what has no value stands last, both ways
        return sign * (typeof p === "number" ? p - q : collator.compare(p, q)) || a - b;
      });
    }
    onOrder(order);
  }

  function sortBy(key, way) {
    sort = { key, way };
    page = 0;
    arrange();
    drawHead();
    drawBody();
  }

  function drawHead() {
    head.replaceChildren(
      element("tr", { role: "row" }, ...shown().map((column) => {
        const sorted = column.key === sort.key;
        const content = column.value
          ? element("button", {
              type: "button",
              "data-tip": column.tip,
              onclick: () => {
                const other = { ascending: "descending", descending: "ascending" };
                sortBy(column.key, sorted ? other[sort.way] : column.first ?? "ascending");
                head.querySelector("[aria-sort] button")?.focus();
              },
            }, element("span", {}, column.label), icon(sorted ? sort.way : "unsorted"))
          : element("span", { class: "visually-hidden" }, column.label);
        return element("th", { role: "columnheader", scope: "col", class: column.numeric ? "numeric" : `column-${column.key}`, "aria-sort": sorted ? sort.way : null }, content);
      })),
    );
    sortKey.replaceChildren(
      element("option", { value: "" }, say("table.order")),
      ...shown().filter((c) => c.value).map((c) => element("option", { value: c.key }, c.label)),
    );
    sortKey.value = sort.key ?? "";
    sortWay.value = sort.way;
    sortWay.hidden = sort.key === null;
  }

  function drawBody() {
    const pages = Math.max(1, Math.ceil(order.length / size));
    page = Math.min(page, pages - 1);
    const here = order.slice(page * size, (page + 1) * size);
    body.replaceChildren(...here.map((row) =>
      element("tr", {
        role: "row",
        class: rowClass(row),
        onclick: (event) => event.target.closest("button, a, input") || String(getSelection()) || onOpen(row),
      }, ...shown().map((column) =>
        element("td", { role: "cell", class: column.numeric ? `numeric${(column.value(row) ?? null) === null ? " absent" : ""}` : `column-${column.key}`, "data-label": column.label }, column.cell(row)))),
    ));
    if (!order.length) {
      body.append(element("tr", { role: "row", class: "none" }, element("td", { role: "cell", colspan: shown().length }, say("table.none"))));
    }
    drawPager(pages);
    measure();
  }

  function turn(to) {
    page = to;
    drawBody();
    node.scrollIntoView({ block: "start" });
  }

  function drawPager(pages) {
    pager.hidden = order.length <= PAGE_SIZES[0];
    const chooser = element("select", { onchange: (event) => {
      size = Number(event.target.value);
      page = 0;
      drawBody();
      pager.querySelector("select").focus();
    } }, ...PAGE_SIZES.map((s) => element("option", { value: s, selected: s === size }, String(s))));
    pager.replaceChildren(
      element("label", { class: "field" }, element("span", {}, say("table.rows")), chooser),
      element("span", { class: "pager-turn" },
        element("button", { type: "button", class: "icon-button", disabled: page === 0, "aria-label": say("table.previous"), onclick: () => turn(page - 1) }, icon("left")),
        element("span", {}, say("table.page", { page: format.count(page + 1), pages: format.count(pages) })),
        element("button", { type: "button", class: "icon-button", disabled: page === pages - 1, "aria-label": say("table.next"), onclick: () => turn(page + 1) }, icon("right"))),
    );
  }

  // A heading can stick to the window only where the table needs no scrolling of its own.
  function measure() {
    scroller.classList.remove("wide");
    scroller.classList.toggle("wide", table.scrollWidth > scroller.clientWidth + 1);
  }
  new ResizeObserver(measure).observe(scroller);
  for (const select of [sortKey, sortWay]) {
    select.addEventListener("change", () => sortBy(sortKey.value || null, sortWay.value));
  }

  return {
    node,
    setRows(next) {
      rows = next;
      page = 0;
      arrange();
      drawBody();
    },
    setShown(key, value) {
      columns.find((c) => c.key === key).shown = value;
      drawHead();
      drawBody();
    },
    draw() {
      drawHead();
      drawBody();
    },
  };
}
