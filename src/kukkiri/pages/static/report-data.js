// The report's rows and columns, from the data blocks of the page.

import { bounded } from "./blur.js";
import { element, speaker, visible } from "./dom.js";
import { formatValue, formats } from "./format.js";
import { commonFolder, folderOf, separatorOf } from "./paths.js";
import { countEqual, distinct, shareWorse, sortedValues } from "./statistics.js";

export const config = JSON.parse(document.getElementById("config").textContent);
export const say = speaker(config.texts);
export const format = formats(config.language);

export const rows = [...document.getElementsByClassName("rows")].flatMap((block) => JSON.parse(block.textContent));
export const all = rows.map((_, row) => row);
const place = new Map(config.keys.map((key, at) => [key, at]));
export const get = (row, key) => rows[row][place.get(key)];
export const blurOf = (row) => rows[row][config.keys.length + 2] || null;
export const qualityOf = (row) => rows[row][config.keys.length + 3] || null;
export const gateFailed = (row) => config.gate && Boolean(rows[row][config.keys.length]);
export const failures = all.filter((row) => get(row, "error"));
// Something could not be measured, but not all.
export const partly = (row) => Boolean(get(row, "error")) && config.columns.some((column) => column.answers && (get(row, column.key) ?? null) !== null);
export const sorted = new Map(config.columns.map((column) => [column.key, sortedValues(all.map((row) => get(row, column.key)))]));
const levels = new Map([...sorted].map(([key, values]) => [key, distinct(values)]));
export const present = (column) => sorted.get(column.key).length > 0;
export const paths = all.map((row) => String(get(row, "path") ?? ""));
const pages = new Map();
for (const path of paths) pages.set(path, (pages.get(path) ?? 0) + 1);
// The page of a row, counted from 1, where its file has more than one.
export const pageOf = (row) => (pages.get(paths[row]) > 1 || get(row, "plane") > 0 ? (get(row, "plane") ?? 0) + 1 : null);
const separator = separatorOf(paths);
export const folder = commonFolder(paths, separator);

export const label = (column) => say(`column.${column.key}.title`) === `column.${column.key}.title` ? column.key : say(`column.${column.key}.title`);
// What a metric's name means: in the words of the page, else as the metric says, unless that only repeats its name.
const metricOf = (column) => column.metric ?? column.key;
const titleHere = (column) => config.texts[`metric_title.${metricOf(column)}`];
export const titleOf = (column) => titleHere(column) ?? (column.title && column.title.toLowerCase() !== column.key.toLowerCase() ? column.title : null);
export const subtitle = (column, tag) => titleOf(column) && element(tag, { class: "subtitle", lang: titleHere(column) ? null : "en" }, titleOf(column));
// They grow with contrast and noise, too: their highest value need not be the sharpest picture.
const SCENE = ["laplacian-variance", "modified-laplacian", "tenengrad", "brenner", "normalized-variance"];
// Why the order of pictures by a metric is not that of their sharpness: a key of the texts, or null.
export const cautionOf = (column) => metricOf(column) === "hifst" ? "extremes.caution_own" : SCENE.includes(metricOf(column)) ? "extremes.caution" : null;
export const relative = (column) => cautionOf(column) !== null;
export const help = (column) => [`column.${column.key}.help`, `metric.${metricOf(column)}`].map((key) => config.texts[key]).filter(Boolean).join(" ");
// A value as a person reads it: "< 0.35" where that is all that can be told.
export function valueText(row, column, unit = false) {
  const blur = column.key === "sigma" ? blurOf(row) : null;
  if (!blur?.bound) return formatValue(format, column, get(row, column.key), unit);
  return bounded(`${format.short(get(row, column.key))}${unit ? " px" : ""}`, blur, say);
}
// "higher is sharper"; nothing where the values do not compare pictures.
export const direction = (column) => column.answers && cautionOf(column) !== "extremes.caution_own" ? say(`direction.${column.answers}_${column.higher_is_better ? "higher" : "lower"}`) : "";
// The path below the common folder, in its folder and its name.
export function nameParts(row) {
  const below = paths[row].slice(folder.length);
  const own = folderOf(below, separator);
  return [visible(own), visible(below.slice(own.length))];
}
export const nameOf = (row) => nameParts(row).join("") + (pageOf(row) ? ` · ${say("table.plane", { page: pageOf(row) })}` : "");
export const model = {
  get: (row, key) => get(row, key) ?? null,
  others: (row) => rows[row][config.keys.length + 1] || {},
  blur: blurOf,
  quality: qualityOf,
  columns: config.columns,
  value: valueText,
  present,
  label,
  subtitle,
  name: nameOf,
  page: pageOf,
  relative,
  direction,
  partly,
  gateFailed,
  better: (row, column) => shareWorse(sorted.get(column.key), get(row, column.key), column.higher_is_better),
  // Among the different values: the best of them is 1 and the worst 0, however many pictures share it.
  level: (row, column) => shareWorse(levels.get(column.key), get(row, column.key), column.higher_is_better),
  equal: (row, column) => countEqual(sorted.get(column.key), get(row, column.key)) - 1,
};
