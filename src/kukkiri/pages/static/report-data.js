// The report's rows and columns, from the data blocks of the page.

import { speaker, visible } from "./dom.js";
import { formats } from "./format.js";
import { commonFolder, folderOf, separatorOf } from "./paths.js";
import { shareWorse, sortedValues } from "./statistics.js";

export const config = JSON.parse(document.getElementById("config").textContent);
export const say = speaker(config.texts);
export const format = formats(config.language);

export const rows = [...document.getElementsByClassName("rows")].flatMap((block) => JSON.parse(block.textContent));
export const all = rows.map((_, row) => row);
const place = new Map(config.keys.map((key, at) => [key, at]));
export const get = (row, key) => rows[row][place.get(key)];
export const gateFailed = (row) => config.gate && Boolean(rows[row][config.keys.length]);
export const failures = all.filter((row) => get(row, "error"));
export const sorted = new Map(config.columns.map((column) => [column.key, sortedValues(all.map((row) => get(row, column.key)))]));
export const present = (column) => sorted.get(column.key).length > 0;
export const planes = all.some((row) => get(row, "plane") > 0);

export const paths = all.map((row) => String(get(row, "path") ?? ""));
const separator = separatorOf(paths);
export const folder = commonFolder(paths, separator);

export const label = (column) => say(`column.${column.key}.title`) === `column.${column.key}.title` ? column.key : say(`column.${column.key}.title`);
// A title that only repeats the name says nothing.
export const titleOf = (column) => (column.title && column.title.toLowerCase() !== column.key.toLowerCase() ? column.title : null);
export const help = (column) => config.texts[`column.${column.key}.help`] ?? config.texts[`metric.${column.key}`] ?? "";
export const direction = (column) => column.answers ? say(`direction.${column.answers}_${column.higher_is_better ? "higher" : "lower"}`) : "";
// The path below the common folder, in its folder and its name.
export function nameParts(row) {
  const below = paths[row].slice(folder.length);
  const own = folderOf(below, separator);
  return [visible(own), visible(below.slice(own.length))];
}
export const nameOf = (row) => nameParts(row).join("") + (planes ? ` · ${say("table.plane", { plane: get(row, "plane") ?? 0 })}` : "");
export const model = {
  get: (row, key) => get(row, key) ?? null,
  others: (row) => rows[row][config.keys.length + 1] || {},
  columns: config.columns,
  present,
  label,
  title: titleOf,
  name: nameOf,
  planes,
  gateFailed,
  better: (row, column) => shareWorse(sorted.get(column.key), get(row, column.key), column.higher_is_better),
};
