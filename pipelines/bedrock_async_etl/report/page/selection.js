"use strict";
// The numbers that a choice in the page shows, without the page itself.

/** The page's breakdowns; those with `dimensions` are groups of leaves. */
const BREAKDOWNS = [
  { name: "model", dimensions: ["model"] },
  { name: "account", dimensions: ["account"] },
  { name: "region", dimensions: ["region"] },
  { name: "account and region", dimensions: ["account", "region"] },
  { name: "fault" },
  { name: "reason" },
];

const sum = (rows, name) => d3.sum(rows, (row) => row[name]);

/** The limits for failures: faults, then reasons, each with its outcomes. */
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

/** The leaves of a selection. */
function leavesOf(data, selection) {
  return d3.range(data.leaves.length).filter((leaf) => isIn(data.leaves[leaf], selection));
}

/** The leaves of a selection by the keys of some dimensions, with the choice that these are. */
function groupsOf(data, selection, dimensions) {
  const groups = d3.group(leavesOf(data, selection), (leaf) => dimensions.map((name) => data.leaves[leaf][name]).join());
  return [...groups.values()].map((leaves) => ({
    leaves, choice: Object.fromEntries(dimensions.map((name) => [name, data.leaves[leaves[0]][name]])),
  }));
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
  const leaves = leavesOf(data, selection);
  const counts = countsOf(data, span, leaves, kindOf);
  const figuresOfCohort = (counted, timed) => {
    const cohort = cohortOf(counted, timed);
    const byFault = faults.map(({ name }, at) => ({ fault: name, ...riskOf(cohort, [FAILING + at]) }));
    return { ...estimate(data, cohort, failing), byFault };
  };
  const timed = durationsByStep(data, span, leaves, kindOf);
  const steps = span.steps.map((step, at) => ({
    ...step, date: new Date((+step.begin + +step.end) / 2),
    ...figuresOfCohort(counts.map((each) => each.subarray(step.from, step.to)), timed[at]),
  }));
  const whole = figuresOfCohort(counts, counts.map((_, kind) => added(timed.map((each) => each[kind]))));
  return { steps, whole };
}

/** The figures of leaves in a span. */
function figuresOf(data, selection, span, leaves) {
  const kindOf = kindsOf(data, selection);
  const counts = countsOf(data, span, leaves, kindOf);
  const cohort = cohortOf(counts, durationsOf(data, span, leaves, kindOf));
  return { ...estimate(data, cohort, [FAILING]), trend: trend(span, counts, [FAILING]) };
}

/** The invocations open, stuck and vanished now, whenever submitted. */
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
      ...figuresOf(data, selection, spanBefore(data, period), leavesOf(data, selection)),
      open: sum(before, "open_invocations"), stuck: sum(before, "stuck"),
    } : null,
  };
}

/** The rows of a breakdown, one per group, those with the most excess failures first. */
function breakdown(data, selection, span, ofLeaves) {
  const { dimensions } = BREAKDOWNS.find((each) => each.name === selection.by);
  const rows = dimensions ? byLeaves(data, selection, span, ofLeaves, dimensions) : byCauses(data, selection, span);
  return rows.sort((a, b) => d3.descending(a.excess, b.excess) || d3.descending(a.invocations, b.invocations));
}

/** The share that failed of what ended in each step. */
function trend({ steps }, counts, failing) {
  return steps.map(({ from, to }) => {
    const counted = counts.map((each) => total(each.subarray(from, to)));
    const terminal = endedOf(counted);
    return terminal ? d3.sum(failing, (kind) => counted[kind]) / terminal : null;
  });
}

/** The excess is that beyond the rate of the others, of accounts and regions with the same models. */
function byLeaves(data, selection, span, ofLeaves, dimensions) {
  const groups = groupsOf(data, selection, dimensions);
  const compared = comparedFailures(data, ofLeaves, groups, dimensions.includes("model") ? [] : ["model"]);
  return groups.map(({ leaves, choice }, at) => ({
    ...figuresOf(data, selection, span, leaves), choice, ...openNow(data, { ...selection, ...choice }),
    peak: d3.max(flightsOf(data, span, leaves).peaks), excess: compared[at].excess,
  })).filter((row) => row.invocations || row.open || row.vanished);
}

/** Numbers of failed and ended invocations by leaf, in a span. */
function outcomesOfLeaves(data, selection, span) {
  const oneHour = { hours: 1, hourOf: span.anywhere };
  const kindOf = kindsOf(data, selection);
  return data.leaves.map((_, leaf) => {
    const counted = countsOf(data, oneHour, [leaf], kindOf).map(total);
    return { failed: counted[FAILING], terminal: endedOf(counted) };
  });
}

/**
 * The failures of each group against those of the other groups in the same strata, which have the same
 * labels `within` some dimensions: `expected` at the rate of all, `ofOthers` at that of the others, and
 * the excess over these, null without any others. Leaves without an end do not count.
 */
function comparedFailures(data, ofLeaves, groups, within) {
  const stratumOf = (leaf) => within.map((name) => data.leaves[leaf][name]).join();
  const totals = (leaves) => d3.rollup(leaves, (some) => ({
    leaves: some, failed: d3.sum(some, (leaf) => ofLeaves[leaf].failed),
    terminal: d3.sum(some, (leaf) => ofLeaves[leaf].terminal),
  }), stratumOf);
  const all = totals(groups.flatMap(({ leaves }) => leaves));
  return groups.map((group) => {
    const row = { leaves: [], failed: 0, terminal: 0, expected: 0, ofOthers: 0, excess: null };
    for (const [stratum, own] of totals(group.leaves)) {
      const { failed, terminal } = all.get(stratum);
      const others = terminal - own.terminal;
      if (!others) continue;
      const ofOthers = own.terminal * (failed - own.failed) / others;
      row.leaves.push(...own.leaves.filter((leaf) => ofLeaves[leaf].terminal));
      row.failed += own.failed;
      row.terminal += own.terminal;
      row.expected += own.terminal * failed / terminal;
      row.ofOthers += ofOthers;
      row.excess = (row.excess ?? 0) + own.failed - ofOthers;
    }
    return row;
  });
}

/** Excess: failures beyond those at the rate of the period before. Latencies are those of failures. */
function byCauses(data, selection, span) {
  const causes = data.causes.filter((each) => each.kind === selection.by);
  const kindOf = data.outcomes.map((each) => each.outcome);
  const leaves = leavesOf(data, selection);
  const counts = countsOf(data, span, leaves, kindOf);
  const cohort = cohortOf(counts, durationsOf(data, span, leaves, kindOf));
  const before = countsOf(data, spanBefore(data, selection.period), leaves, kindOf).map(total);
  return causes.map((cause) => {
    const figures = estimate(data, cohort, cause.outcomes);
    const failed = added(cause.outcomes.map((kind) => cohort.durations[kind]));
    const failedBefore = d3.sum(cause.outcomes, (kind) => before[kind]);
    return {
      ...figures, ...percentiles(data.cells, failed, new Uint32Array(failed.length)),
      cause, choice: { cause: data.causes.indexOf(cause) },
      excess: selection.period.has_previous && endedOf(before)
        ? figures.failed - figures.terminal * failedBefore / endedOf(before) : null,
      trend: trend(span, counts, cause.outcomes),
    };
  }).filter((row) => row.failed);
}

/** By step, the most that were in flight at once in any one of some leaves, and the seconds that all ran. */
function flightsOf({ cells }, { steps, stepOf }, leaves) {
  const { bin, peak, seconds, rangeOf } = cells.in_flight;
  const [peaks, ran] = [steps.map(() => 0), steps.map(() => 0)];
  for (const leaf of leaves) {
    const [from, to] = rangeOf(leaf);
    for (let at = from; at < to; at++) {
      const step = stepOf[bin[at]];
      if (step < 0) continue;
      peaks[step] = Math.max(peaks[step], peak[at]);
      ran[step] += seconds[at];
    }
  }
  return { peaks, ran };
}

/** By step: the peak of each model in any one account and region, and the average of all together. */
function inFlight(data, selection, span) {
  const { ran } = flightsOf(data, span, leavesOf(data, selection));
  const models = groupsOf(data, selection, ["model"]).map(({ leaves, choice }) => {
    const { peaks } = flightsOf(data, span, leaves);
    return { ...choice, quota: data.quotas[choice.model], peak: d3.max(peaks), rows: withSteps(span, peaks) };
  });
  const averages = span.steps.map(({ begin, end }, at) => ran[at] * 1000 / (end - begin));
  return {
    models: models.filter((each) => each.peak)
      .sort((a, b) => d3.descending(a.peak / (a.quota ?? Infinity), b.peak / (b.quota ?? Infinity)) || b.peak - a.peak),
    fleet: withSteps(span, averages),
  };
}

function withSteps({ steps }, values) {
  return steps.map((step, at) => ({ ...step, value: values[at] }));
}

/**
 * Incidents that a selection may have part in: those of several accounts or regions are in each, and
 * the cause is that of most failures.
 */
function incidents(data, selection) {
  const touches = (row, name) => [ALL, row[name]].includes(selection[name]) || row[name] === ALL;
  const causes = data.causes[selection.cause]?.outcomes.map((outcome) => data.outcomes[outcome].name);
  return data.incidents
    .filter((row) => DIMENSIONS.every((name) => touches(row, name)))
    .filter((row) => !causes || causes.includes(row.failure_category))
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

/** True for a scope whose last run read all of it. */
function isRead(scope) {
  return scope.last_outcome === "ok";
}
