"use strict";
// What stands out in a selection: sentences, each with the choice that shows it alone.

const MOST_OF_A_KIND = 3;
const SLOWER = 1.5; // times as slow as the others
const MEASURED = 30; // of each, to compare latencies
const CLEARLY = 5; // fewer than half way to what stands out

/** A finding is { text, choice, isAlarm }; the worst of each kind come first. */
function findings(data, selection, span, whole, flights) {
  return [
    ...kindOfFindings("incident", incidents(data, selection), (row) => incidentFinding(data, row)),
    ...["account", "region"].flatMap((name) => [
      ...kindOfFindings(name, failingMore(data, selection, span, whole, name), (row) => failingFinding(data, row)),
      ...kindOfFindings(name, slowerOnes(data, selection, span, name), (row) => slowerFinding(data, row)),
    ]),
    ...kindOfFindings("model", overQuota(flights), (row) => quotaFinding(data, row)),
    ...kindOfFindings("stuck", stuckLeaves(data, selection), (row) => stuckFinding(data, row)),
    ...staleFinding(data),
  ];
}

/** The first of some findings of one kind; the last says how many more there are. */
function kindOfFindings(kind, rows, findingOf) {
  const found = rows.slice(0, MOST_OF_A_KIND).map(findingOf);
  const more = rows.length - found.length;
  if (more) found[found.length - 1].text += ` ${MORE[kind](more)}`;
  return found;
}

const MORE = {
  incident: (more) => `${countedNoun(more, "more incident")} in the table below.`,
  account: (more) => `${countedNoun(more, "more account")} in the breakdown.`,
  model: (more) => `${countedNoun(more, "more model")} in the breakdown.`,
  region: (more) => `${countedNoun(more, "more region")} in the breakdown.`,
  stuck: (more) => `${countedNoun(more, "more group")} in “Open and stuck”.`,
};

/** The stretch of steps with the greatest sum of scores (Kadane), as text, where it clearly ends. */
function stretch(steps, scores) {
  let [best, sum, begin] = [{ sum: -Infinity }, 0, 0];
  scores.forEach((score, at) => {
    if (sum <= 0) [sum, begin] = [0, at];
    sum += score;
    if (sum > best.sum) best = { sum, begin, end: at };
  });
  const isOutside = (rest) => d3.sum(rest) <= -CLEARLY;
  const from = isOutside(scores.slice(0, best.begin)) ? shortTime(+steps[best.begin].begin) : null;
  const until = isOutside(scores.slice(best.end + 1)) ? shortTime(+steps[best.end].end) : null;
  if (from && until) return `from ${from} to ${until} UTC`;
  return from ? `since ${from} UTC` : until ? `until ${until} UTC` : "throughout the period";
}

/** The model, region and account of a row, as far as it has one each. */
function named(data, row) {
  const nameOf = (name) => isolated(label(data[`${name}s`][row[name]]));
  const names = ["model", "region", "account"].filter((name) => row[name] != null && row[name] !== ALL);
  if (names.length === 1 && names[0] !== "model") return `${names[0] === "account" ? "Account" : "Region"} ${nameOf(names[0])}`;
  return names.map((name) => (name === "account" ? `account ${nameOf(name)}` : nameOf(name))).join(", ");
}

function chosen(row) {
  return Object.fromEntries(DIMENSIONS.filter((name) => row[name] != null).map((name) => [name, row[name]]));
}

function incidentFinding(data, row) {
  const when = row.ended_ms == null ? `since ${shortTime(row.started_ms)} UTC, and still do`
    : `from ${shortTime(row.started_ms)} to ${shortTime(row.ended_ms)} UTC`;
  return {
    text: `Incident: ${count(row.failed)} of ${count(row.terminal)} failed ${when}: ${named(data, row)}`
      + `${row.scopes > 1 ? ` in ${countedNoun(row.scopes, "scope")}` : ""}, ${reasonName(row.failure_category)}.`,
    choice: chosen(row), isAlarm: row.ended_ms == null,
  };
}

/** Accounts or regions that fail more often than the others, beyond their 95 % intervals. */
function failingMore(data, selection, span, whole, name) {
  if (selection[name] !== ALL || data[`${name}s`].length < 2) return [];
  const kindOf = data.outcomes.map((each) => each.outcome);
  const isCounted = kindsOf(data, selection).map((kind) => kind === FAILING);
  const failing = kindOf.filter((outcome) => isCounted[outcome]);
  const counts = countsOf(data, span, groupsOf(data, selection, (leaf) => leaf[name]), data[`${name}s`].length, kindOf);
  return data[`${name}s`].map((_, key) => {
    const own = counts(key);
    const [failed, completed] = [added(failing.map((kind) => own[kind])), added([own[COMPLETED], ...own.slice(FAILING)])];
    const [sumFailed, terminal] = [total(failed), total(completed)];
    const others = [whole.failed - sumFailed, whole.terminal - terminal];
    if (!terminal || !others[1] || !failing.length) return null;
    const [rate, rateOfOthers] = [sumFailed / terminal, others[0] / others[1]];
    const [low, high] = wilson(rate, terminal / designEffect(failed, completed));
    const [, highOfOthers] = wilson(rateOfOthers, others[1]);
    const halfWay = (rate + rateOfOthers) / 2;
    const scores = span.steps.map(({ from, to }) =>
      total(failed.subarray(from, to)) - halfWay * total(completed.subarray(from, to)));
    const cause = d3.greatest(failing, (kind) => total(own[kind]));
    return {
      [name]: key, failed: sumFailed, terminal, rate, low, high, rateOfOthers,
      excess: sumFailed - terminal * rateOfOthers, when: stretch(span.steps, scores),
      cause: data.outcomes[cause].name, share: total(own[cause]) / sumFailed,
      isFinding: low > highOfOthers && rate > SLOWER * rateOfOthers,
    };
  }).filter((row) => row?.isFinding).sort((a, b) => d3.descending(a.excess, b.excess));
}

function failingFinding(data, row) {
  return {
    text: `${named(data, row)}: ${percent(row.rate)} of ${count(row.terminal)} failed (${percent(row.low)} to ${percent(row.high)}), `
      + `against ${percent(row.rateOfOthers)} elsewhere, ${row.when}; ${percent(row.share)} of them ${reasonName(row.cause)}.`,
    choice: chosen(row),
  };
}

const KNOWN_SLOWER = new Map(); // they are the same for each cause, and take a while

function slowerOnes(data, selection, span, name) {
  const key = [name, ...DIMENSIONS.map((each) => selection[each]), selection.period.days].join();
  if (!KNOWN_SLOWER.has(key)) KNOWN_SLOWER.set(key, slower(data, selection, span, name));
  return KNOWN_SLOWER.get(key);
}

/** Accounts or regions with longer latencies than others have with the same models. */
function slower(data, selection, span, name) {
  const labels = data[`${name}s`];
  if (selection[name] !== ALL || labels.length < 2) return [];
  const models = data.models.length;
  const groupOf = groupsOf(data, selection, (leaf) => leaf[name] * models + leaf.model);
  const durations = durationsOf(data, span, groupOf, labels.length * models, ENDED_OR_NOT(data));
  const compared = d3.range(models).flatMap((model) => {
    const each = labels.map((_, key) => durations(key * models + model));
    const every = each[0].map((_, kind) => added(each.map((timed) => timed[kind])));
    return each.flatMap((own, key) => {
      const others = every.map((values, kind) => less(values, own[kind]));
      const weight = total(own[COMPLETED]);
      if (weight < MEASURED || total(others[COMPLETED]) < MEASURED) return [];
      const [ownMedian, usual] = [own, others].map((timed) => percentiles(data.cells, timed[COMPLETED], timed[OPEN]).p50);
      return ownMedian && usual ? [{ key, model, weight, own: ownMedian, usual }] : [];
    });
  });
  return d3.groups(compared, (row) => row.key).map(([key, rows]) => {
    const weight = d3.sum(rows, (row) => row.weight);
    const ratio = Math.exp(d3.sum(rows, (row) => row.weight * Math.log(row.own / row.usual)) / weight);
    return { [name]: key, ratio, most: d3.greatest(rows, (row) => row.weight) };
  }).filter((row) => row.ratio >= SLOWER).sort((a, b) => d3.descending(a.ratio, b.ratio))
    .map((row) => ({ ...row, when: slowerWhen(data, selection, span, row, name) }));
}

/** For latencies, an outcome matters only as an end or none. */
const ENDED_OR_NOT = (data) => data.outcomes.map(({ outcome }) => ([OPEN, OTHER].includes(outcome) ? OPEN : COMPLETED));

/** When the median of the model that it has most of was above half way to that of the others. */
function slowerWhen(data, selection, span, { most, ...row }, name) {
  const own = { ...selection, [name]: row[name], model: most.model };
  const durations = durationsOf(data, span, groupsOf(data, own), 1, ENDED_OR_NOT(data), true);
  const halfWay = Math.sqrt(most.own * most.usual);
  return stretch(span.steps, span.steps.map((_, step) => {
    const timed = durations(0, step);
    const { p50 } = percentiles(data.cells, timed[COMPLETED], timed[OPEN]);
    return p50 ? total(timed[COMPLETED]) * Math.log(p50 / halfWay) : 0;
  }));
}

function slowerFinding(data, { most, ...row }) {
  return {
    text: `${named(data, row)}: ${row.ratio.toFixed(1)} times as slow as elsewhere with the same models, ${row.when}; `
      + `median of ${named(data, most)} ${duration(most.own)}, elsewhere ${duration(most.usual)}.`,
    choice: chosen(row),
  };
}

/** Models of which some account and region reached the quota, with the last step in which it did. */
function overQuota({ models }) {
  return models
    .filter((each) => each.quota != null && each.peak >= each.quota)
    .map(({ rows, ...each }) => ({ ...each, last: rows.findLast((row) => row.value >= each.quota) }));
}

function quotaFinding(data, { model, peak, quota, last }) {
  return {
    text: `${named(data, { model })}: up to ${count(peak)} in flight at once in one account and region, with a quota of ${count(quota)}; last reached after ${shortTime(+last.begin)} UTC.`,
    choice: { model },
  };
}

function stuckLeaves(data, selection) {
  return data.open_counts.filter((row) => row.stuck && isIn(row, selection))
    .sort((a, b) => d3.descending(a.stuck, b.stuck));
}

function stuckFinding(data, row) {
  const submitted = row.stuck === 1 ? `submitted ${shortTime(row.stuck_from_ms)} UTC`
    : `submitted from ${shortTime(row.stuck_from_ms)} to ${shortTime(row.stuck_until_ms)} UTC`;
  return {
    text: `${count(row.stuck)} stuck: ${named(data, row)}, ${submitted}, still running after more than 3 × the typical p99 of ${duration(row.typical_p99)}.`,
    choice: chosen(row), isAlarm: true,
  };
}

/** One finding of all the scopes that could not be read, or were read long ago. */
function staleFinding(data) {
  const isStale = (scope) => scope.last_success_ms == null
    || data.as_of_ms - scope.last_success_ms > 1000 * data.stale_seconds;
  const bad = data.freshness.filter((scope) => scope.last_outcome !== "ok" || isStale(scope));
  if (!bad.length) return [];
  const [worst] = bad;
  const since = worst.last_success_ms == null ? "never read" : `read last ${shortTime(worst.last_success_ms)} UTC`;
  return [{
    text: `${count(bad.length)} of ${countedNoun(data.freshness.length, "scope")} not fresh; the worst, ${isolated(label(worst.account_id))}, ${isolated(label(worst.region))}, ${since}`
      + `${worst.last_error ? `: ${isolated(worst.last_error)}` : "."}`,
    section: "freshness", isAlarm: true,
  }];
}
