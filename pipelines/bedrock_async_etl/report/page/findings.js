"use strict";
// Findings about a selection: sentences, each with the choice that shows it alone.

const MOST_OF_A_KIND = 3;
const LEAST_FAILURES = 5;
const LEAST_ENDED = 30;
const LEAST_RATIO = 1.5; // to the others' rate or median
const SCREENED_RATIO = 1.2; // of geometric means, below which medians are not looked at
const FALSE_SHARE = .01; // of what is found, by chance (Benjamini and Hochberg)

/**
 * A finding is { text, choice, section, isAlarm }: the choice shows it alone, the section proves it. What
 * lasts comes first, then the worst of each kind.
 */
function findings(data, selection, span, flights, ofLeaves) {
  const names = ["account", "region"];
  const among = (name) => ({ ...selection, [name]: ALL });
  const means = meanLogs(data, span);
  const failing = beyondChance(
    names.flatMap((name) => failingMore(data, among(name), span, ofLeaves, name)), (row) => row.excess);
  const slower = beyondChance(
    names.flatMap((name) => slowerOnes(data, among(name), span, means, name)), (row) => row.ratio);
  const chosen = (name) => (row) => row[name] != null && [ALL, row[name]].includes(selection[name]);
  const found = [
    ...firstOf(incidents(data, selection), (row) => incidentText(data, row), "incident", "failure-risk"),
    ...names.flatMap((name) => [
      ...firstOf(failing.filter(chosen(name)), (row) => failingText(data, selection, span, row), name, "failure-risk"),
      ...firstOf(slower.filter(chosen(name)), (row) => slowerText(data, span, row), name, "latency"),
    ]),
    ...firstOf(overQuota(flights), (row) => quotaText(data, row), "model", "in-flight"),
    ...firstOf(stuckLeaves(data, selection), (row) => stuckText(data, row), "group", "open"),
    ...staleFinding(data),
  ];
  return d3.sort(found, (finding) => (finding.isAlarm ? 0 : 1));
}

/** The first of some findings of one kind; the last says how many more there are. */
function firstOf(rows, textOf, noun, section) {
  const more = rows.length - MOST_OF_A_KIND;
  return rows.slice(0, MOST_OF_A_KIND).map((row, at) => ({
    text: textOf(row) + (more > 0 && at === MOST_OF_A_KIND - 1 ? ` And ${countedNoun(more, `more ${noun}`)}, below.` : ""),
    choice: Object.fromEntries(DIMENSIONS.filter((name) => row[name] != null && row[name] !== ALL).map((name) => [name, row[name]])),
    section, isAlarm: row.stuck > 0 || row.ended_ms === null,
  }));
}

/** Rows whose p-values are so small that a hundredth of them is there by chance, the worst first. */
function beyondChance(rows, worst) {
  const sorted = d3.sort(rows, (row) => row.p);
  const last = sorted.findLastIndex((row, at) => row.p <= FALSE_SHARE * (at + 1) / rows.length);
  return sorted.slice(0, last + 1).sort((a, b) => d3.descending(worst(a), worst(b)));
}

/** The dimensions within which values of a dimension are compared: one model, and one of the other dimension. */
function othersThan(name) {
  return DIMENSIONS.filter((each) => each !== name);
}

/**
 * The failures of each account or region against those of the others in the same strata (Mantel and
 * Haenszel): the p-value is Poisson's, of as many failures as would be independent of each other.
 */
function failingMore(data, selection, span, ofLeaves, name) {
  const groups = groupsOf(data, selection, [name]);
  const compared = comparedFailures(data, ofLeaves, groups, othersThan(name));
  return compared.map((row, at) => ({ ...row, ...groups[at].choice })).filter((row) => row.terminal).map((row) => {
    if (row.failed < LEAST_FAILURES || row.failed < LEAST_RATIO * row.ofOthers) return { ...row, p: 1 };
    const effect = effectOf(data, selection, span, row.leaves);
    return { ...row, p: poissonTail(Math.floor(row.failed / effect), row.expected / effect) };
  });
}

function effectOf(data, selection, span, leaves) {
  const counts = countsOf(data, span, leaves, kindsOf(data, selection));
  return Math.max(1, designEffect(counts[FAILING], allEnds(counts)));
}

function failingText(data, selection, span, row) {
  const kindOf = data.outcomes.map((each) => each.outcome);
  const counted = countsOf(data, span, row.leaves, kindOf).map(total);
  const cause = data.causes[selection.cause];
  const most = d3.greatest(cause?.outcomes ?? kindOf.slice(FAILING), (kind) => counted[kind]);
  const why = cause ? ` by ${reasonName(cause.name)}`
    : `, ${percent(counted[most] / row.failed)} of them by ${reasonWithFault(data.outcomes[most])}`;
  const whole = figuresOf(data, selection, span, row.leaves);
  return `${named(data, row)}: ${percent(row.failed / row.terminal)} (${interval(whole)}) of ${count(row.terminal)} failed${why}, `
    + `against ${percent(row.ofOthers / row.terminal)} elsewhere with the same models${failedWhen(data, selection, span, row)}.`;
}

function reasonWithFault({ name, fault }) {
  return `${reasonName(name)}${fault ? ` (fault: ${fault})` : ""}`;
}

/** When it failed more often than half way to the others: only where the rest of the period clearly differs. */
function failedWhen(data, selection, span, { leaves, failed, terminal, ofOthers }) {
  const counts = countsOf(data, span, leaves, kindsOf(data, selection));
  const ended = allEnds(counts);
  const halfWay = (failed + ofOthers) / 2 / terminal;
  const steps = span.steps.map(({ from, to }) => ({
    failed: total(counts[FAILING].subarray(from, to)), terminal: total(ended.subarray(from, to)) }));
  return stretch(span, steps.map((step) => step.failed - halfWay * step.terminal),
    (some) => sum(some.map((at) => steps[at]), "failed") > halfWay * sum(some.map((at) => steps[at]), "terminal"));
}

/**
 * The stretch of steps with the greatest sum of scores (Kadane), as text, if what `isMore` says of it
 * is not true of the steps before or after it; nothing where that is no more than chance.
 */
function stretch({ steps }, scores, isMore) {
  let [best, running, begin] = [{ sum: -Infinity }, 0, 0];
  scores.forEach((score, at) => {
    if (running <= 0) [running, begin] = [0, at];
    running += score;
    if (running > best.sum) best = { sum: running, begin, end: at };
  });
  const half = Math.floor(steps.length / 2);
  if (isMore(d3.range(half)) && isMore(d3.range(half, steps.length))) return ", throughout the period";
  const outside = [...d3.range(best.begin), ...d3.range(best.end + 1, steps.length)];
  const lost = d3.sum(outside, (at) => scores[at]);
  if (!outside.length || lost > -best.sum / 4) return "";
  const from = best.begin > 0 ? shortTime(+steps[best.begin].begin) : null;
  const until = best.end < steps.length - 1 ? shortTime(+steps[best.end].end) : null;
  return from && until ? `, mostly from ${from} to ${until} UTC` : from ? `, mostly since ${from} UTC` : `, mostly until ${until} UTC`;
}

/**
 * The latencies of each account or region against those of the others in the same strata: the p-value
 * is that of the log-rank test, of those whose means and medians differ by much.
 */
function slowerOnes(data, selection, span, means, name) {
  const rows = new Map();
  for (const { leaves } of groupsOf(data, selection, othersThan(name))) {
    const [weight, sumOfLogs] = [d3.sum(leaves, (leaf) => means.weights[leaf]), d3.sum(leaves, (leaf) => means.sums[leaf])];
    for (const leaf of leaves) {
      const own = means.weights[leaf];
      if (own < LEAST_ENDED || weight - own < LEAST_ENDED) continue;
      const key = data.leaves[leaf][name];
      const row = rows.get(key) ?? { [name]: key, weight: 0, logs: 0, leaves: [] };
      row.weight += own;
      row.logs += means.sums[leaf] - own * (sumOfLogs - means.sums[leaf]) / (weight - own);
      row.leaves.push({ leaf, stratum: leaves, weight: own });
      rows.set(key, row);
    }
  }
  return [...rows.values()].map((row) => (Math.exp(row.logs / row.weight) < SCREENED_RATIO ? { ...row, p: 1 }
    : { ...row, ...comparedLatencies(data, span, row.leaves) }));
}

/** Of each leaf, how many have ended, and the sum of the logarithms of their latencies. */
function meanLogs(data, span) {
  const { durations, seconds } = data.cells;
  const logs = seconds.map((each) => Math.log(each));
  const [weights, sums] = [new Float64Array(data.leaves.length), new Float64Array(data.leaves.length)];
  for (let leaf = 0; leaf < weights.length; leaf++) {
    const [from, to] = durations.rangeOf(leaf);
    for (let at = from; at < to; at++) {
      const outcome = durations.outcome[at];
      if (span.anywhere[durations.bin[at]] < 0 || outcome === OPEN || outcome === OTHER) continue;
      weights[leaf] += durations.invocations[at];
      sums[leaf] += durations.invocations[at] * logs[durations.bucket[at]];
    }
  }
  return { weights, sums };
}

/** The ratio of the medians of leaves to those of the others in their strata, and its p-value. */
function comparedLatencies(data, span, leaves) {
  const compared = leaves.map(({ leaf, stratum, weight }) => {
    const own = latenciesOf(data, span, leaf);
    const each = stratum.map((one) => latenciesOf(data, span, one));
    const all = [0, 1].map((part) => added(each.map((one) => one[part])));
    const others = all.map((part, at) => less(part, own[at]));
    const [median, usual] = [own, others].map((some) => percentiles(data.cells, ...some, MEDIAN).p50);
    return { leaf, weight, median, usual, ...logRank(own, all) };
  }).filter(({ median, usual }) => median && usual);
  const ratio = Math.exp(d3.sum(compared, (each) => each.weight * Math.log(each.median / each.usual)) / sum(compared, "weight"));
  const z = sum(compared, "fewer") / Math.sqrt(sum(compared, "variance"));
  const most = d3.greatest(compared, (each) => each.weight);
  return { ratio, most, p: ratio < LEAST_RATIO ? 1 : normalTail(z) };
}

/** The number of a leaf's latencies, and ages of those without one, in each bucket. */
function latenciesOf(data, span, leaf) {
  const timed = durationsOf(data, span, [leaf], endedOrNot(data));
  return [timed[COMPLETED], timed[OPEN]];
}

/** For latencies, an outcome is an end or none. */
function endedOrNot(data) {
  return data.outcomes.map(({ outcome }) => ([OPEN, OTHER].includes(outcome) ? OPEN : COMPLETED));
}

function slowerText(data, span, { most, ...row }) {
  const model = isolated(label(data.models[data.leaves[most.leaf].model]));
  return `${named(data, row)}: ${row.ratio.toFixed(1)} times as slow as elsewhere with the same models${slowerWhen(data, span, most)}; `
    + `median of ${model} ${duration(most.median)}, elsewhere ${duration(most.usual)}.`;
}

/** When the median of the leaf that it has most of was above half way to that of the others. */
function slowerWhen(data, span, { leaf, median, usual }) {
  const halfWay = Math.sqrt(median * usual);
  const scores = durationsByStep(data, span, [leaf], endedOrNot(data)).map((timed) => {
    const { p50 } = percentiles(data.cells, timed[COMPLETED], timed[OPEN], MEDIAN);
    return p50 ? total(timed[COMPLETED]) * Math.log(p50 / halfWay) : 0;
  });
  return stretch(span, scores, (some) => d3.sum(some, (at) => scores[at]) > 0);
}

/** The model, region and account of a row, as far as it has one each. */
function named(data, row) {
  const nameOf = (name) => isolated(label(data[`${name}s`][row[name]]));
  const names = ["model", "region", "account"].filter((name) => row[name] != null && row[name] !== ALL);
  const account = (name) => (data.is_redacted ? nameOf(name) : `account ${nameOf(name)}`);
  if (names.length > 1) return names.map((name) => (name === "account" ? account(name) : nameOf(name))).join(", ");
  const [name] = names;
  const text = name === "account" ? account(name) : name === "region" ? `region ${nameOf(name)}` : nameOf(name);
  return name === "model" ? text : text[0].toUpperCase() + text.slice(1);
}

function incidentText(data, row) {
  const when = row.ended_ms == null ? `since ${shortTime(row.started_ms)} UTC, and it lasts`
    : betweenTimes(row.started_ms, row.ended_ms);
  return `Incident: ${count(row.failed)} of ${count(row.terminal)} failed ${when}: ${named(data, row)}`
    + `${row.scopes > 1 ? ` in ${countedNoun(row.scopes, row.region === ALL ? "scope" : "account")}` : ""}, ${
      reasonWithFault(data.outcomes.find((each) => each.name === row.failure_category) ?? { name: row.failure_category })}.`;
}

/** Models of which some account and region reached the quota, with the last step in which it did. */
function overQuota({ models }) {
  return models
    .filter((each) => each.quota != null && each.peak >= each.quota)
    .map(({ rows, ...each }) => ({ ...each, last: rows.findLast((row) => row.value >= each.quota) }));
}

function quotaText(data, { model, peak, quota, last }) {
  return `${named(data, { model })}: up to ${count(peak)} in flight at once in one account and region, `
    + `with a quota of ${count(quota)}; last reached at some time ${betweenTimes(+last.begin, +last.end)}.`;
}

function stuckLeaves(data, selection) {
  return data.open_counts.filter((row) => row.stuck && isIn(row, selection))
    .sort((a, b) => d3.descending(a.stuck, b.stuck));
}

function stuckText(data, row) {
  return `${count(row.stuck)} stuck: ${named(data, row)}, submitted ${betweenTimes(row.stuck_from_ms, row.stuck_until_ms)} `
    + `and not ended since; usually 99 % end within ${duration(row.typical_p99)}.`;
}

/** One finding for all scopes that could not be read, or were read long before the others. */
function staleFinding(data) {
  const isStale = (scope) => data.as_of_ms - scope.last_success_ms > 1000 * data.stale_seconds;
  const bad = data.freshness.filter((scope) => !isRead(scope) || isStale(scope));
  if (!bad.length) return [];
  const [worst] = bad;
  const since = worst.last_success_ms == null ? "never read" : `last read ${shortTime(worst.last_success_ms)} UTC`;
  const error = worst.last_error ? `: ${isolated(worst.last_error).replace(/[.]?$/, ".")}` : ".";
  return [{
    text: `${count(bad.length)} of ${countedNoun(data.freshness.length, "scope")} ${bad.length === 1 ? "is" : "are"} not fresh. The stalest, `
      + `${isolated(label(worst.account_id))}/${isolated(label(worst.region))}, was ${since}${error}`,
    choice: {}, section: "freshness", isAlarm: true,
  }];
}
