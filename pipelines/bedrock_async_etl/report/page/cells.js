"use strict";
// The page's data: tables as rows, and its cells, which are many, as typed arrays that are added up.

const ALL = -1;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DIMENSIONS = ["account", "region", "model"];
const [COMPLETED, OPEN, OTHER, FAILING] = [0, 1, 2, 3]; // outcomes; from FAILING on they are failures

/** A table of columns as rows. */
function rowsOf(columns) {
  const [names, values] = [Object.keys(columns), Object.values(columns)];
  return values[0].map((_, at) =>
    Object.fromEntries(names.map((name, column) => [name, values[column][at]])));
}

/** The page's data: its tables as rows, those of a leaf with the leaf's account, region and model. */
async function readData() {
  const data = JSON.parse(document.getElementById("data").textContent);
  data.leaves = rowsOf(data.leaves);
  for (const [name, value] of Object.entries(data)) {
    if (value?.constructor !== Object) continue;
    data[name] = rowsOf(value).map((row) => ({ ...data.leaves[row.leaf], ...row }));
  }
  data.cells = await readCells(data);
  return data;
}

async function readCells(data) {
  const text = atob(document.getElementById("cells").textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const cells = await new Response(stream).json();
  const unpacked = (table, buckets) => unpack(table, data, cells.bins, buckets);
  const durations = unpacked(cells.durations, cells.buckets);
  const buckets = 1 + durations.bucket.reduce((most, bucket) => Math.max(most, bucket), 0);
  return {
    ...cells, durations, counts: unpacked(cells.counts, 1), in_flight: unpacked(cells.in_flight, 1),
    buckets, seconds: secondsOf(cells, buckets),
  };
}

/** The middle of each bucket, in seconds: they are as wide as they say, and end at each age, too. */
function secondsOf({ ages, width }, buckets) {
  const ends = d3.range(buckets + 1).map((bucket) => bucket * width / 100);
  const edges = d3.sort([...ends, ...ages.map((age) => Math.log1p(age))]);
  return d3.range(buckets).map((bucket) => Math.expm1((edges[bucket] + edges[bucket + 1]) / 2) / 1000);
}

/** The outcome, bin and bucket of each row, from the distances between their cells, and the rows of a leaf. */
function unpack({ gap, ...columns }, { leaves, outcomes }, bins, buckets) {
  const [outcome, bin, bucket] = d3.range(3).map(() => new Uint32Array(gap.length));
  const ends = new Uint32Array(leaves.length); // the row after the last one of each leaf
  let cell = 0;
  for (let at = 0; at < gap.length; at++) {
    cell += gap[at];
    let rest = Math.floor(cell / buckets);
    bucket[at] = cell - rest * buckets;
    const place = Math.floor(rest / bins);
    bin[at] = rest - place * bins;
    outcome[at] = place % outcomes.length;
    ends[Math.floor(place / outcomes.length)] = at + 1;
  }
  for (let leaf = 1; leaf < ends.length; leaf++) ends[leaf] = Math.max(ends[leaf], ends[leaf - 1]);
  const numbers = Object.entries(columns).map(([name, values]) => [name, Float64Array.from(values)]);
  const rangeOf = (leaf) => [leaf ? ends[leaf - 1] : 0, ends[leaf]];
  return { outcome, bin, bucket, ...Object.fromEntries(numbers), rangeOf };
}

/**
 * The span of a period: the hours that it has a part of, and the steps of its charts. By bin, it has
 * their hour and step, and 0 for `anywhere` in it; -1 is outside.
 *
 * Steps are hours of 24 hours, 6 hours of 7 days, else dates; the first begins with the period, and
 * the last ends when the newest scope was read.
 */
function spanOf(data, { days, from_ms }) {
  const { as_of_ms, cells: { step_days } } = data;
  const step_ms = days <= 1 ? HOUR_MS : days <= 7 ? 6 * HOUR_MS : step_days * DAY_MS;
  const start_ms = Math.max(from_ms, Math.min(data.first_ms ?? from_ms, as_of_ms - 1));
  const [from, until] = [Math.floor(start_ms / step_ms), Math.ceil(as_of_ms / step_ms)];
  const firstHour = Math.floor(from_ms / HOUR_MS);
  const hours = Math.ceil(as_of_ms / HOUR_MS) - firstHour;
  const hourOf = (ms) => Math.min(Math.max(0, Math.floor(ms / HOUR_MS) - firstHour), hours);
  const steps = d3.range(from, until).map((step) => {
    const [begin, end] = [step * step_ms, (step + 1) * step_ms];
    return {
      from: hourOf(begin), to: hourOf(end),
      begin: new Date(Math.max(begin, from_ms)), end: new Date(Math.min(end, as_of_ms)),
    };
  });
  const stepOf = (ms) => Math.min(Math.max(0, Math.floor(ms / step_ms) - from), steps.length - 1);
  return {
    steps, step_ms, hours, anywhere: placesOf(data, from_ms, Infinity, () => 0),
    hourOf: placesOf(data, from_ms, Infinity, (ms) => Math.min(hourOf(ms), hours - 1)),
    stepOf: placesOf(data, from_ms, Infinity, stepOf),
  };
}

/** The span of the period before, as one hour: only its sums are needed. */
function spanBefore(data, { from_ms, before_ms }) {
  const places = placesOf(data, before_ms, from_ms, () => 0);
  return { steps: [], hours: 1, hourOf: places, anywhere: places };
}

/** The place of each bin that starts from a time to another, by the start of its hour; else -1. */
function placesOf({ cells }, from_ms, until_ms, placeOf) {
  const binOf = (ms) => 2 * Math.floor(ms / HOUR_MS) + 1 - cells.first_bin;
  return Int32Array.from({ length: cells.bins }, (_, bin) => (bin < binOf(from_ms) || bin >= binOf(until_ms)
    ? -1 : placeOf(Math.floor((bin + cells.first_bin) / 2) * HOUR_MS)));
}

/** Adds the cells of leaves up, in an array for each kind, at the place of their bin and bucket. */
function addUp({ outcome, bin, bucket, invocations, rangeOf }, leaves, size, binPlaces, kindOf) {
  const kinds = Math.max(FAILING, ...kindOf) + 1;
  const sums = new Uint32Array(kinds * size);
  const kindPlaces = Int32Array.from(kindOf, (kind) => kind * size);
  for (const leaf of leaves) {
    const [from, to] = rangeOf(leaf);
    for (let at = from; at < to; at++) {
      const binPlace = binPlaces[bin[at]];
      if (binPlace >= 0) sums[kindPlaces[outcome[at]] + binPlace + bucket[at]] += invocations[at];
    }
  }
  return d3.range(kinds).map((kind) => sums.subarray(kind * size, (kind + 1) * size));
}

/** The counts of leaves by kind and hour; `kindOf` has the kind of each outcome. */
function countsOf(data, span, leaves, kindOf) {
  return addUp(data.cells.counts, leaves, span.hours, span.hourOf, kindOf);
}

/** Numbers of latencies by kind and bucket. */
function durationsOf(data, span, leaves, kindOf) {
  return addUp(data.cells.durations, leaves, data.cells.buckets, span.anywhere, kindOf);
}

/** The same, for each step. */
function durationsByStep(data, span, leaves, kindOf) {
  const { buckets } = data.cells;
  const binPlaces = span.stepOf.map((step) => step * buckets);
  const sums = addUp(data.cells.durations, leaves, span.steps.length * buckets, binPlaces, kindOf);
  return span.steps.map((_, step) => sums.map((each) => each.subarray(step * buckets, (step + 1) * buckets)));
}
