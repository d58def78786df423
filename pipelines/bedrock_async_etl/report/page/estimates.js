"use strict";
// The statistics of a cohort, from its counts by kind and hour and its latencies by kind and bucket.
// They are those of the models failure_rates and survivals; a latency is that of its bucket's middle.

const Z = 1.959963984540054; // the normal distribution's 97.5 % quantile
const SHARES = [["p50", .5], ["p95", .95], ["p99", .99]];
const MEDIAN = SHARES.slice(0, 1);
const SHARE_NAMES = SHARES.map(([name]) => name);

function total(values) {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at];
  return sum;
}

/** The element-wise sum of arrays of one length. */
function added(arrays) {
  const sum = new Float64Array(arrays[0]);
  for (const array of arrays.slice(1)) for (let at = 0; at < sum.length; at++) sum[at] += array[at];
  return sum;
}

/** The element-wise difference of two arrays of one length. */
function less(from, array) {
  const rest = new Float64Array(from);
  for (let at = 0; at < rest.length; at++) rest[at] -= array[at];
  return rest;
}

/** Wilson's interval of a share of so many. */
function wilson(share, n) {
  const centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n);
  const half = Z / (1 + Z * Z / n) * Math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n));
  return [share === 0 ? 0 : centre - half, share === 1 ? 1 : centre + half];
}

/** The design effect of failures that cluster in hours. */
function designEffect(failed, terminal) {
  const [f, n] = [total(failed), total(terminal)];
  if (!n) return 1;
  const rate = f / n;
  let [hours, failedSquared, residual, terminalSquared] = [0, 0, 0, 0];
  for (let at = 0; at < failed.length; at++) {
    if (!terminal[at]) continue;
    hours += 1;
    failedSquared += failed[at] ** 2;
    terminalSquared += terminal[at] ** 2;
    residual += (failed[at] - rate * terminal[at]) ** 2;
  }
  const failingHours = f ? f * f / failedSquared : 1;
  const between = hours > 1 && f > 0 && f < n
    ? hours / (hours - 1) * residual / (n * rate * (1 - rate)) : 1;
  return Math.min(
    1 + Math.max(0, between - 1) * (1 + 3 / failingHours + 4 / failingHours ** 2),
    terminalSquared / n);
}

/**
 * The Aalen-Johansen estimate of failing, with other ends as competing events and open ones censored
 * at their age, and the number of invocations of which a rate would have the same variance.
 */
function aalenJohansen(ended, failed, open) {
  const n = total(ended) + total(open);
  const walk = (visit) => {
    let [running, weight, risk] = [n, 1 / n, 0];
    for (let bucket = 0; bucket < ended.length; bucket++) {
      if (!ended[bucket] && !open[bucket]) continue;
      risk += weight * failed[bucket];
      running -= ended[bucket];
      const left = running - open[bucket];
      if (open[bucket] && left > 0) {
        visit(weight, running, left, risk);
        weight *= running / left;
      }
      running = left;
    }
    return risk;
  };
  const risk = walk(() => {});
  let spread = 0;
  walk((weight, running, left, before) => {
    const later = risk - before;
    spread += n * later * (weight * running - later) * (1 / left - 1 / running);
  });
  const variance = risk * (1 - risk);
  return { risk, n: variance > 0 ? n * variance / (variance + spread) : total(ended) };
}

/** The Kaplan-Meier percentiles, in seconds; null where the estimate does not reach them. */
function percentiles({ seconds }, ended, censored, shares = SHARES) {
  const found = Object.fromEntries(shares.map(([name]) => [name, null]));
  let [running, share, next] = [total(ended) + total(censored), 1, 0];
  for (let bucket = 0; bucket < ended.length && next < shares.length; bucket++) {
    if (!ended[bucket] && !censored[bucket]) continue;
    share *= 1 - ended[bucket] / running;
    while (ended[bucket] && next < shares.length && share <= 1 - shares[next][1] + 1e-9) {
      found[shares[next][0]] = seconds[bucket];
      next += 1;
    }
    running -= ended[bucket] + censored[bucket];
  }
  return found;
}

/** The number of ended ones, from the numbers of each kind. */
function endedOf(counted) {
  return counted[COMPLETED] + d3.sum(counted.slice(FAILING));
}

/** The arrays of all kinds that are ends, added up. */
function allEnds(byKind) {
  return added([byKind[COMPLETED], ...byKind.slice(FAILING)]);
}

/** The input of a cohort's figures: `counts` by kind and hour, `durations` by kind and bucket. */
function cohortOf(counts, durations) {
  return { counts, durations, counted: counts.map(total), terminal: allEnds(counts), ended: allEnds(durations) };
}

/** The failure risk and its 95 % interval; ends that are not of the kinds `failing` compete with it. */
function riskOf({ counts, durations, terminal, ended }, failing) {
  const failed = added(failing.map((kind) => counts[kind]));
  const [open, n] = [durations[OPEN], total(terminal)];
  if (!n) return { risk: null, low: null, high: null };
  const stillOpen = total(open);
  const isCurtailed = stillOpen
    && open.findIndex((each) => each) < ended.findLastIndex((each) => each);
  const estimated = isCurtailed
    ? aalenJohansen(ended, added(failing.map((kind) => durations[kind])), open)
    : { risk: total(failed) / (n + stillOpen), n: n + stillOpen };
  const [low, high] = wilson(estimated.risk, estimated.n / designEffect(failed, terminal));
  return { risk: estimated.risk, low, high };
}

/** The figures of a cohort. */
function estimate({ cells }, cohort, failing) {
  const { counted, durations, ended } = cohort;
  const [terminal, failed] = [endedOf(counted), d3.sum(failing, (kind) => counted[kind])];
  return {
    completed: counted[COMPLETED], failed, otherwise: terminal - counted[COMPLETED] - failed, terminal,
    open: counted[OPEN], other: counted[OTHER],
    invocations: terminal + counted[OPEN] + counted[OTHER], measured: total(ended),
    ...riskOf(cohort, failing),
    ...percentiles(cells, ended, added([durations[OPEN], durations[OTHER]])),
    finished: percentiles(cells, ended, new Uint32Array(ended.length)),
  };
}

/** How many ends fewer than expected a part of all has at its ages, and the variance of that. */
function logRank([own, ownCensored], [ended, censored]) {
  let [ownRunning, running, fewer, variance] = [total(own) + total(ownCensored), total(ended) + total(censored), 0, 0];
  for (let bucket = 0; bucket < ended.length && running > 1; bucket++) {
    const [ends, share] = [ended[bucket], ownRunning / running];
    if (ends) {
      fewer += ends * share - own[bucket];
      variance += ends * share * (1 - share) * (running - ends) / (running - 1);
    }
    ownRunning -= own[bucket] + ownCensored[bucket];
    running -= ends + censored[bucket];
  }
  return { fewer, variance };
}

/** The probability of at least so many events where some are expected. */
function poissonTail(events, expected) {
  if (expected > 100) return normalTail((events - .5 - expected) / Math.sqrt(expected));
  let [term, below] = [Math.exp(-expected), 0];
  for (let at = 0; at < events; at++) {
    below += term;
    term *= expected / (at + 1);
  }
  // Sums lose the far tail, where the next term and the ratio of those after it are enough.
  return events > expected && below > 1 - 1e-9 ? term / (1 - expected / (events + 1)) : Math.max(0, 1 - below);
}

/** The probability that a standard normal variable exceeds z, by its asymptotic series beyond 3. */
function normalTail(z) {
  if (!(z > 3)) return 1; // that is no finding, and where there is no test, z is none
  return Math.exp(-z * z / 2) / (z * Math.sqrt(2 * Math.PI)) * (1 - 1 / (z * z) + 3 / z ** 4);
}
