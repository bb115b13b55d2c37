// Order statistics and the bins of a histogram.

// The finite values of a column, sorted.
export function sortedValues(values) {
  return Float64Array.from(values.filter((v) => typeof v === "number" && Number.isFinite(v))).sort();
}

export function quantile(sorted, share) {
  if (sorted.length === 0) return null;
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

// Every value once, still sorted.
export function distinct(sorted) {
  return sorted.filter((value, at) => at === 0 || value !== sorted[at - 1]);
}

// How many values are exactly `value`.
export function countEqual(sorted, value) {
  return countBelow(sorted, value, true) - countBelow(sorted, value, false);
}

// How many values are below `value`, or up to and including it.
function countBelow(sorted, value, including) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value || (including && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Share of the other values that are strictly worse; null where there is no other, or no better end.
export function shareWorse(sorted, value, higherIsBetter) {
  if (sorted.length < 2 || typeof value !== "number" || typeof higherIsBetter !== "boolean") return null;
  const worse = higherIsBetter ? countBelow(sorted, value, false) : sorted.length - countBelow(sorted, value, true);
  return worse / (sorted.length - 1);
}

// 1, 2 or 5 times a power of ten, the nearest to `step`.
export function niceStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  const away = (f) => Math.abs(Math.log((f * power) / step));
  return [1, 2, 5, 10].reduce((best, f) => (away(f) < away(best) ? f : best)) * power;
}

export function ticks(low, high, wanted) {
  if (!(high > low)) return [low];
  const step = niceStep((high - low) / wanted);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// 1, 2 and 5 times powers of ten; powers alone, or every other one, where those would be too many.
export function logTicks(low, high, wanted) {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const inside = (values) => values.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
  const powers = Array.from({ length: last - first + 1 }, (_, i) => Number(`1e${first + i}`));
  const fine = inside(powers.flatMap((p) => [p, 2 * p, 5 * p]));
  if (fine.length <= 2 * wanted) return fine; // labels that would touch are left out when drawn
  const coarse = inside(powers);
  if (coarse.length < 2) return fine.filter((_, i) => i % Math.ceil(fine.length / wanted) === 0);
  return coarse.filter((_, i) => i % Math.ceil(coarse.length / (wanted + 1)) === 0);
}

// Edges of about 12 to 32 bins of equal width (of the logarithm, where all are positive and spread over more than a decade
// with a long tail), after Freedman and Diaconis; the edges are round numbers on a linear axis.
export function binEdges(sorted, whole = false) {
  const low = sorted[0];
  const high = sorted.at(-1);
  if (!(high > low)) {
    // All are the same: one bar in the middle of some room.
    const room = Math.abs(low) * 0.01 || 0.1;
    return { edges: Array.from({ length: 12 }, (_, i) => low + (i - 5.5) * room), log: false };
  }
  const quartiles = [quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)];
  const log = low > 0 && high / low > 20 && high - quartiles[1] > 4 * (quartiles[1] - low);
  const scale = log ? Math.log10 : (v) => v;
  const range = scale(high) - scale(low);
  const spread = scale(quartiles[2]) - scale(quartiles[0]);
  const width = (2 * spread) / Math.cbrt(sorted.length);
  const bins = Math.min(32, Math.max(12, width > 0 ? Math.round(range / width) : 16));
  if (log) {
    const edges = Array.from({ length: bins + 1 }, (_, i) => 10 ** (scale(low) + (range * i) / bins));
    edges[0] = low; // 10 ** log10(x) need not be x, and the ends must hold all values
    edges[bins] = high;
    return { edges, log };
  }
  const step = whole ? Math.max(1, niceStep(range / bins)) : niceStep(range / bins);
  const first = Math.floor(low / step + 1e-9);
  const count = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return { edges: Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12))), log };
}

// How many values fall into each bin; the last one holds its upper edge.
export function binCounts(sorted, edges) {
  const below = edges.map((edge, i) => countBelow(sorted, edge, i === edges.length - 1));
  return below.slice(1).map((count, i) => count - below[i]);
}
