// What is wrong with a picture, as words and small bars.

import { element } from "./dom.js";

function groupWord(name, say) {
  const key = `wrong.group_${name}`;
  return say(key) === key ? name : say(key);
}

export const wrongName = (name, say) => (name === "clean" ? say("wrong.clean") : groupWord(name, say));

function shareBar(probability) {
  const node = element("span", { class: "share", "aria-hidden": "true" }, element("span", {}));
  node.firstChild.style.width = `${probability * 100}%`;
  return node;
}

// Whole per cent: a tenth says nothing here.
const wholePercent = (probability, format) => format.percent(Math.round(probability * 100) / 100);

function groupLines(pairs, say, format, dim) {
  return pairs.map(([name, probability]) => element("li", dim ? { class: "dim" } : {},
    element("span", {}, groupWord(name, say)), shareBar(probability), element("span", { class: "percent" }, wholePercent(probability, format))));
}

// The groups that are named; "clean" for none.
const namedPairs = (quality) => quality.wrong.slice(0, quality.named);
export const wrongText = (quality, say) => namedPairs(quality).map(([name]) => groupWord(name, say)).join(say("panel.separator")) || say("wrong.clean");

// What pictures can be chosen by: the groups that are named, or "clean".
export const wrongNames = (quality) => (quality.named ? namedPairs(quality).map(([name]) => name) : ["clean"]);

// For the table: what is named, and a word of warning.
export function wrongCell(quality, say, format) {
  const doubt = quality.doubtful ? element("span", { class: "chip warn", "data-tip": say("wrong.unlike_note") }, say("blur.unlike")) : null;
  const said = quality.named ? element("ul", { class: "wrong" }, ...groupLines(namedPairs(quality), say, format, false)) : element("span", { class: "clean" }, say("wrong.clean"));
  return element("div", { class: "wrong-cell" }, said, doubt);
}

// For the panel: every group, those that are named first and in full ink.
export function wrongPart(quality, say, format) {
  if (!quality) return [];
  return [
    quality.doubtful && element("span", { class: "caution" }, element("span", { class: "chip warn" }, say("blur.unlike")), " ", say("wrong.unlike_note")),
    element("span", { class: "wrong-title" }, say("wrong.title"), say("wrong.colon"), element("strong", {}, wrongText(quality, say))),
    element("ul", { class: "wrong" }, ...groupLines(namedPairs(quality), say, format, false), ...groupLines(quality.wrong.slice(quality.named), say, format, true)),
  ];
}

// How many pictures suffer from what; a press shows only those. update(rows shown, name chosen) keeps it in step.
export function wrongCard({ all, qualityOf, say, format, onChoose }) {
  const judged = all.filter((row) => qualityOf(row));
  const counts = new Map();
  for (const row of judged) for (const name of wrongNames(qualityOf(row))) counts.set(name, (counts.get(name) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const groups = qualityOf(judged[0]).wrong.map(([name]) => name).filter((name) => counts.has(name));
  const names = [...groups.sort((a, b) => counts.get(b) - counts.get(a)), ...(counts.has("clean") ? ["clean"] : [])];
  const buttons = new Map(names.map((name) => {
    const bar = element("span", { class: "share", "aria-hidden": "true" }, element("span", { class: "all" }), element("span", { class: "part" }));
    bar.firstChild.style.width = `${(counts.get(name) / most) * 100}%`;
    return [name, element("button", { type: "button", class: name === "clean" ? "clean" : null, "aria-pressed": "false", onclick: () => onChoose(name) },
      element("span", {}, wrongName(name, say)), bar, element("span", { class: "percent" }, format.count(counts.get(name))))];
  }));
  return {
    node: element("article", { class: "card chart wrong-card" },
      element("header", {}, element("h3", {}, say("wrong.title")), element("p", { class: "subtitle" }, say("wrong.card"))),
      element("div", { class: "wrong" }, ...buttons.values())),
    update(shown, chosen) {
      for (const [name, button] of buttons) {
        const part = shown.filter((row) => qualityOf(row) && wrongNames(qualityOf(row)).includes(name)).length;
        button.setAttribute("aria-pressed", String(name === chosen));
        button.querySelector(".part").style.width = `${(part / most) * 100}%`;
      }
    },
  };
}
