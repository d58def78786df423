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
  data.cells = await readCells(data.outcomes.length);
  return data;
}

async function readCells(outcomes) {
  const text = atob(document.getElementById("cells").textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const cells = await new Response(stream).json();
  const unpacked = (table, buckets) => unpack(table, outcomes, cells.bins, buckets);
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

/** The leaf, outcome, bin and bucket of each row, from the distances between their cells. */
function unpack({ gap, ...columns }, outcomes, bins, buckets) {
  const [leaf, outcome, bin, bucket] = d3.range(4).map(() => new Uint32Array(gap.length));
  let cell = 0;
  for (let at = 0; at < gap.length; at++) {
    cell += gap[at];
    let rest = Math.floor(cell / buckets);
    bucket[at] = cell - rest * buckets;
    const place = Math.floor(rest / bins);
    bin[at] = rest - place * bins;
    leaf[at] = Math.floor(place / outcomes);
    outcome[at] = place % outcomes;
  }
    const numbers = Object.entries(columns).map(([name, values]) => [name, Uint32Array.from(values)]);
  return { leaf, outcome, bin, bucket, ...Object.fromEntries(numbers) };
}

/**
 * The span of a period: the hours that it has a part of, and the steps of its charts; the hour and
 * step of each bin are -1 for one outside.
 *
 * Steps are hours of 24 hours, 6 hours of 7 days, else dates; the first begins with the period.
 */
function spanOf(data, { days, from_ms }) {
  const { step_days } = data.cells;
  const step_ms = days <= 1 ? HOUR_MS : days <= 7 ? 6 * HOUR_MS : step_days * DAY_MS;
  const start_ms = Math.max(from_ms, Math.min(data.first_ms ?? from_ms, data.as_of_ms));
  const from = Math.floor(start_ms / step_ms);
  const hourOf = (ms) => Math.max(0, Math.floor(ms / HOUR_MS) - Math.floor(from_ms / HOUR_MS));
  const steps = d3.range(from, Math.floor(data.as_of_ms / step_ms) + 1).map((step) => {
    const [begin, end] = [step * step_ms, (step + 1) * step_ms];
    return {
      from: hourOf(begin), to: hourOf(end),
      begin: new Date(Math.max(begin, from_ms)), end: new Date(Math.min(end, data.as_of_ms)),
    };
  });
  const inSpan = (placeOf) => placesOf(data, from_ms, Infinity, placeOf);
  return {
    steps, step_ms, hours: hourOf(data.as_of_ms) + 1,
    hourOf: inSpan(hourOf), stepOf: inSpan((ms) => Math.max(0, Math.floor(ms / step_ms) - from)),
  };
}

/** The span of the period before, of which only the sums are asked for: all of it is one hour. */
function spanBefore(data, { from_ms, before_ms }) {
  const places = placesOf(data, before_ms, from_ms, () => 0);
  return { hours: 1, hourOf: places, stepOf: places };
}

/** The place of each bin that starts from a time to another, by the start of its hour; else -1. */
function placesOf({ cells }, from_ms, until_ms, placeOf) {
  const binOf = (ms) => 2 * Math.floor(ms / HOUR_MS) + 1 - cells.first_bin;
  return Int32Array.from({ length: cells.bins }, (_, bin) => (bin < binOf(from_ms) || bin >= binOf(until_ms)
    ? -1 : placeOf(Math.floor((bin + cells.first_bin) / 2) * HOUR_MS)));
}

/**
 * Adds cells up, in an array for each kind. A cell's place in it is that of its leaf, its bin and its
 * bucket together; those of which a place is negative are left out.
 */
function addUp({ leaf, outcome, bin, bucket, invocations }, size, leafPlaces, binPlaces, kindOf) {
  const kinds = Math.max(FAILING, ...kindOf) + 1;
  const sums = new Uint32Array(kinds * size);
  const kindPlaces = Int32Array.from(kindOf, (kind) => kind * size);
  for (let at = 0; at < leaf.length; at++) {
    const leafPlace = leafPlaces[leaf[at]];
    const binPlace = binPlaces[bin[at]];
    if (leafPlace < 0 || binPlace < 0) continue;
    sums[kindPlaces[outcome[at]] + leafPlace + binPlace + bucket[at]] += invocations[at];
  }
  return d3.range(kinds).map((kind) => sums.subarray(kind * size, (kind + 1) * size));
}

/**
 * How many there are of each kind and hour: a function of a group, and of some of its hours.
 *
 * `groupOf` has the group of each leaf, -1 for none, and `kindOf` the kind of each outcome.
 */
function countsOf(data, span, groupOf, groups, kindOf) {
  const { hours } = span;
  const sums = addUp(data.cells.counts, groups * hours, groupOf.map((group) => group * hours), span.hourOf, kindOf);
  return (group, from = 0, to = hours) =>
    sums.map((each) => each.subarray(group * hours + from, group * hours + Math.min(to, hours)));
}

/** How many latencies there are of each kind and bucket: a function of a group and step. */
function durationsOf(data, span, groupOf, groups, kindOf, bySteps = false) {
  const { buckets } = data.cells;
  const steps = bySteps ? span.steps.length : 1;
  const binPlaces = span.stepOf.map((step) => (bySteps || step < 0 ? step * buckets : 0));
  const sums = addUp(data.cells.durations, groups * steps * buckets,
    groupOf.map((group) => group * steps * buckets), binPlaces, kindOf);
  return (group, step = 0) => {
    const place = (group * steps + step) * buckets;
    return sums.map((each) => each.subarray(place, place + buckets));
  };
}
