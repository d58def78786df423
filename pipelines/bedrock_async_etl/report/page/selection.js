"use strict";
// What a choice in the page shows: numbers alone, nothing of the page itself.

/** What the page breaks down by; those with `dimensions` are groups of leaves. */
const BREAKDOWNS = [
  { name: "model", dimensions: ["model"] },
  { name: "account", dimensions: ["account"] },
  { name: "region", dimensions: ["region"] },
  { name: "account and region", dimensions: ["account", "region"] },
  { name: "fault" },
  { name: "reason" },
];

const sum = (rows, name) => d3.sum(rows, (row) => row[name]);

/** What failures can be limited to: faults, then reasons, each with its outcomes. */
function causesOf(data) {
  const failures = data.outcomes.slice(FAILING);
  const faults = d3.group(failures, (each) => each.fault ?? "unknown");
  const outcomesOf = (group) => group.map((each) => each.outcome);
  return [
    ...[...faults].sort(([a], [b]) => d3.ascending(a, b)).map(
      ([name, group]) => ({ kind: "fault", name, outcomes: outcomesOf(group) })),
    ...failures.map((each) => ({ kind: "reason", name: each.name, fault: each.fault ?? "unknown", outcomes: [each.outcome] })),
  ];
}

/** True for a row of an account, region and model that the selection has. */
function isIn(row, selection) {
  return DIMENSIONS.every((name) => selection[name] === ALL || selection[name] === row[name]);
}

/** The group of each leaf: 0 for those of the selection, or what `keyOf` makes of them. */
function groupsOf(data, selection, keyOf = () => 0) {
  return Int32Array.from(data.leaves, (leaf) => (isIn(leaf, selection) ? keyOf(leaf) : -1));
}

/** Each outcome as it is, and failures as the one or other kind: those of the cause, and the rest. */
function kindsOf(data, selection) {
  const cause = data.causes[selection.cause];
  return data.outcomes.map(({ outcome }) =>
    (outcome < FAILING ? outcome : !cause || cause.outcomes.includes(outcome) ? FAILING : FAILING + 1));
}

/** The figures of each step of the period, and of all of them; `byFault` has the risk of each fault. */
function outcomes(data, selection, span) {
  const faults = selection.cause === ALL ? data.causes.filter((each) => each.kind === "fault") : [];
  const faultOf = (outcome) => faults.findIndex((fault) => fault.outcomes.includes(outcome));
  const kindOf = !faults.length ? kindsOf(data, selection)
    : data.outcomes.map(({ outcome }) => (outcome < FAILING ? outcome : FAILING + faultOf(outcome)));
  const failing = faults.length ? faults.map((_, at) => FAILING + at) : [FAILING];
  const counts = countsOf(data, span, groupsOf(data, selection), 1, kindOf);
  const durations = durationsOf(data, span, groupsOf(data, selection), 1, kindOf, true);
  const figuresOf = (counted, timed) => {
    const cohort = cohortOf(counted, timed);
    const byFault = faults.map(({ name }, at) => ({ fault: name, ...riskOf(cohort, [FAILING + at]) }));
    return { ...estimate(data, cohort, failing), byFault };
  };
  const timed = span.steps.map((_, step) => durations(0, step));
  const steps = span.steps.map((step, at) => ({
    ...step, date: new Date((+step.begin + +step.end) / 2),
    ...figuresOf(counts(0, step.from, step.to), timed[at]),
  }));
  const whole = figuresOf(counts(0), timed[0].map((_, kind) => added(timed.map((each) => each[kind]))));
  return { steps, whole };
}

/** The figures of the period before. */
function outcomesBefore(data, selection) {
  const parameters = [data, spanBefore(data, selection.period), groupsOf(data, selection), 1, kindsOf(data, selection)];
  return estimate(data, cohortOf(countsOf(...parameters)(0), durationsOf(...parameters)(0)), [FAILING]);
}

/** What is open, stuck and vanished now, whenever it was submitted. */
function openNow(data, selection) {
  const now = data.open_counts.filter((row) => isIn(row, selection));
  return {
    open: sum(now, "open_invocations"), stuck: sum(now, "stuck"),
    stuckUnknown: sum(now, "stuck_unknown"), vanished: sum(now, "vanished"),
    stalledModels: [...new Set(now.filter((row) => row.is_stalled).map((row) => row.model))],
  };
}

/** The headline figures of a selection, and those of the period before, or null. */
function headline(data, selection, whole) {
  const { period } = selection;
  const before = data.open_before.filter((row) => row.days === period.days && isIn(row, selection));
  return {
    ...whole, stillOpen: whole.open, ...openNow(data, selection),
    previous: period.has_previous ? {
      ...outcomesBefore(data, selection),
      open: sum(before, "open_invocations"), stuck: sum(before, "stuck"),
    } : null,
  };
}

/** What a breakdown shows of each of its groups, those with the most excess failures first. */
function breakdown(data, selection, span, whole) {
  const { dimensions } = BREAKDOWNS.find((each) => each.name === selection.by);
  const rows = dimensions ? byLeaves(data, selection, span, whole, dimensions) : byCauses(data, selection, span);
  return rows.sort((a, b) => d3.descending(a.excess, b.excess) || d3.descending(a.invocations, b.invocations));
}

/** The share that failed of what ended in each step. */
function trend(span, counts, failing) {
  return span.steps.map(({ from, to }) => {
    const counted = counts(from, to).map(total);
    const terminal = counted[COMPLETED] + d3.sum(counted.slice(FAILING));
    return terminal ? d3.sum(failing, (kind) => counted[kind]) / terminal : null;
  });
}

/** Excess: failures beyond those at the rate of the others of the selection. */
function byLeaves(data, selection, span, whole, dimensions) {
  const keyOf = (leaf) => dimensions.map((name) => leaf[name]).join();
  const keys = [...new Set(data.leaves.filter((leaf) => isIn(leaf, selection)).map(keyOf))];
  const places = new Map(keys.map((key, at) => [key, at]));
  const groupOf = groupsOf(data, selection, (leaf) => places.get(keyOf(leaf)));
  const parameters = [data, span, groupOf, keys.length, kindsOf(data, selection)];
  const [counts, durations] = [countsOf(...parameters), durationsOf(...parameters)];
  const peaks = peaksOf(data, span, groupOf, keys.length);
  return keys.map((key, group) => {
    const figures = estimate(data, cohortOf(counts(group), durations(group)), [FAILING]);
    const choice = Object.fromEntries(key.split(",").map((value, at) => [dimensions[at], Number(value)]));
    const others = whole.terminal - figures.terminal;
    return {
      ...figures, choice, stillOpen: figures.open, ...openNow(data, { ...selection, ...choice }), peak: peaks[group],
      excess: others ? figures.failed - figures.terminal * (whole.failed - figures.failed) / others : null,
      trend: trend(span, (from, to) => counts(group, from, to), [FAILING]),
    };
  }).filter((row) => row.invocations || row.open || row.vanished);
}

/** Excess: failures beyond those at the rate of the period before. Latencies are those of failures. */
function byCauses(data, selection, span) {
  const causes = data.causes.filter((each) => each.kind === selection.by);
  const kindOf = data.outcomes.map((each) => each.outcome);
  const parameters = [data, span, groupsOf(data, selection), 1, kindOf];
  const [counts, durations] = [countsOf(...parameters), durationsOf(...parameters)(0)];
  const before = countsOf(data, spanBefore(data, selection.period), ...parameters.slice(2))(0).map(total);
  const endedBefore = before[COMPLETED] + d3.sum(before.slice(FAILING));
  const cohort = cohortOf(counts(0), durations);
  return causes.map((cause) => {
    const failed = added(cause.outcomes.map((kind) => durations[kind]));
    const figures = estimate(data, cohort, cause.outcomes);
    const failedBefore = d3.sum(cause.outcomes, (kind) => before[kind]);
    return {
      ...figures, ...percentiles(data.cells, failed, new Uint32Array(failed.length)),
      cause, choice: { cause: data.causes.indexOf(cause) },
      excess: selection.period.has_previous && endedBefore
        ? figures.failed - figures.terminal * failedBefore / endedBefore : null,
      trend: trend(span, (from, to) => counts(0, from, to), cause.outcomes),
    };
  }).filter((row) => row.failed);
}

/** The most that were in flight at once in any one account, region and model of each group. */
function peaksOf(data, span, groupOf, groups) {
  const { leaf, bin, peak } = data.cells.in_flight;
  const peaks = new Float64Array(groups);
  for (let at = 0; at < leaf.length; at++) {
    const group = groupOf[leaf[at]];
    if (group >= 0 && span.stepOf[bin[at]] >= 0) peaks[group] = Math.max(peaks[group], peak[at]);
  }
  return peaks;
}

/** By step: the peak of each model in any one account and region, and the average of all together. */
function inFlight(data, selection, span) {
  const { leaf, bin, peak, tenths } = data.cells.in_flight;
  const models = groupsOf(data, selection, (each) => each.model);
  const peaks = data.models.map(() => span.steps.map(() => 0));
  const ran = span.steps.map(() => 0);
  for (let at = 0; at < leaf.length; at++) {
    const model = models[leaf[at]];
    const step = span.stepOf[bin[at]];
    if (model < 0 || step < 0) continue;
    peaks[model][step] = Math.max(peaks[model][step], peak[at]);
    ran[step] += tenths[at] / 10;
  }
  const rows = (values) => span.steps.map((step, at) => ({ ...step, value: values[at] }));
  return {
    models: peaks.map((values, model) => ({ model, quota: data.quotas[model], peak: d3.max(values), rows: rows(values) }))
      .filter((each) => each.peak)
      .sort((a, b) => d3.descending(a.peak / (a.quota ?? Infinity), b.peak / (b.quota ?? Infinity)) || b.peak - a.peak),
    fleet: rows(ran.map((hours, at) => hours / Math.max(1, span.steps[at].to - span.steps[at].from))),
  };
}

/** Incidents that a selection may have part in: those of several accounts or regions are in each. */
function incidents(data, selection) {
  const touches = (row, name) => [ALL, row[name]].includes(selection[name]) || row[name] === ALL;
  return data.incidents
    .filter((row) => DIMENSIONS.every((name) => touches(row, name)))
    .filter((row) => row.ended_ms == null || row.ended_ms > selection.period.from_ms)
    .map((row) => ({
      ...row, begin: new Date(Math.max(row.started_ms, selection.period.from_ms)),
      end: new Date(row.ended_ms ?? data.as_of_ms),
    }));
}

/** The newest example of each failure outcome in a selection. */
function examplesOf(data, selection) {
  const newest = new Map();
  for (const row of data.examples) {
    if (isIn(row, selection) && !newest.has(row.outcome)) newest.set(row.outcome, row);
  }
  return newest;
}
