// Why a picture could not be measured, and what puts its values in doubt: in the words of the page where they are known.

import { element, visible } from "./dom.js";

const PART = /^(?:([a-z0-9][a-z0-9-]*): )?expected ([\s\S]*?), got ([\s\S]*); ([^;]*)$/;
// What people meet most: a text failure.kind_NAME, and what tells it in which part.
const KINDS = [
  ["missing", "got", /^no file |not there any more$/],
  ["permission", "got", /permission denied$/],
  ["empty", "got", / of 0 bytes$/],
  ["no_picture", "expected", /^a picture \(/],
  ["damaged", "expected", /^(a (readable|sound|complete) .*|a PNG) file/],
  ["not_finite", "expected", /^finite pixel values/],
  ["too_small", "expected", /at least \d[\d×]* p(x|ixels)/],
  ["too_large", "expected", /at most [\d.e+]+ (pixels|bytes|Mpx)|fits (into memory|the \d+ bytes)/],
  ["in_parts", "expected", /tileable/],
  ["region", "expected", /^a region inside/],
  ["package", "expected", /^the package /],
];

function parsed(text) {
  const match = PART.exec(text);
  if (!match) return { metric: null, kind: null, text };
  const [, metric = null, expected, got, fix] = match;
  const kind = KINDS.find(([, part, pattern]) => pattern.test({ expected, got }[part]))?.[0] ?? null;
  return { metric, kind, expected, got, fix };
}

// "niqe: expected A, got B; C; cpbd: …" as [{metric, kind, expected, got, fix}]; what is not of this form keeps its text.
export const errorParts = (text) => String(text).split(/; (?=[a-z0-9][a-z0-9-]*: expected )/).map(parsed);

const kindText = (kind, say) => (kind === null ? say("failure.original") : say(`failure.kind_${kind}`));

// In one line for the table: the kinds, each with its metrics; the error itself where its kind is not known.
export function errorSummary(text, say) {
  const parts = errorParts(text);
  if (parts.some((part) => part.kind === null)) return [say("failure.original"), say("wrong.colon"), element("span", { lang: "en" }, visible(text))];
  const metrics = new Map();
  for (const { kind, metric } of parts) metrics.set(kind, [...(metrics.get(kind) ?? []), ...(metric ? [metric] : [])]);
  return [[...metrics].map(([kind, names]) => kindText(kind, say) + (names.length ? ` (${names.join(", ")})` : "")).join(" ")];
}

// In full: what kind it is, then the error's own three parts.
export function errorList(text, say) {
  return element("div", { class: "errors" }, ...errorParts(text).map((part) => element("div", {},
    element("p", { class: "error-kind" }, part.metric ? `${part.metric}${say("wrong.colon")}` : "", kindText(part.kind, say)),
    "text" in part ? element("p", { class: "error-text", lang: "en" }, visible(part.text))
      : element("dl", { class: "error-parts" }, ...["expected", "got", "fix"].map((key) =>
        element("div", { class: key }, element("dt", {}, say(`failure.${key}`)), element("dd", { lang: "en" }, visible(part[key]))))))));
}

// The notice of `kukkiri.images.reading_levels`; any other stays as it is.
export function noticeText(text, say) {
  const match = /^only (\d+) of (\d+) bits are used \(largest value (\d+)\).* if (\d+) is white/.exec(text);
  if (!match) return visible(text);
  const [, bits, depth, largest, white] = match;
  return say("notice.bits", { bits, depth, largest, white });
}
