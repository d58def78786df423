"use strict";
// What a selection of the page's data shows: numbers alone, nothing of the page itself.

const ALL = -1;
const DIMENSIONS = ["account", "region", "model"];
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** A table of columns as rows. */
function rowsOf(columns) {
  const [names, values] = [Object.keys(columns), Object.values(columns)];
  return values[0].map((_, at) =>
    Object.fromEntries(names.map((name, column) => [name, values[column][at]])));
}

/** The page's data, its tables as rows. */
function readData(text) {
  const data = JSON.parse(text);
  for (const [name, value] of Object.entries(data)) {
    if (value?.constructor === Object) data[name] = rowsOf(value);
  }
  return data;
}

/** True for a row of an account, region and model that the selection has. */
function isIn(row, selection) {
  return DIMENSIONS.every((name) => selection[name] === ALL || selection[name] === row[name]);
}

/** The rows of a selection as a whole: risks and percentiles cannot be added up. */
function ofSelection(data, rows, selection) {
  const keys = DIMENSIONS.map((name) => (data[`${name}s`].length === 1 ? ALL : selection[name]));
  return rows.filter((row) => DIMENSIONS.every((name, at) => row[name] === keys[at]));
}

const sum = (rows, name) => d3.sum(rows, (row) => row[name]);
const peakOf = (rows) => d3.max(rows, (row) => row.peak) ?? 0;

function counted(rows) {
  const [invocations, completed, failed] = ["invocations", "completed", "failed"].map((name) => sum(rows, name));
  return { invocations, completed, failed };
}

function cohortOf(data, cohort, selection) {
  const rows = data.totals.filter((row) => row.cohort === cohort && isIn(row, selection));
  const [estimate] = ofSelection(
    data, data.period_estimates.filter((row) => row.cohort === cohort), selection);
  return { ...counted(rows), ...estimate };
}

/** The headline figures of a selection, and those of the period before, or null. */
function headline(data, selection) {
  const { period } = selection;
  const now = data.open_counts.filter((row) => isIn(row, selection));
  const before = data.open_before.filter(
    (row) => row.cohort === period.cohort + 1 && isIn(row, selection));
  return {
    ...cohortOf(data, period.cohort, selection),
    open: sum(now, "open_invocations"), stuck: sum(now, "stuck"),
    stuckUnknown: sum(now, "stuck_unknown"), vanished: sum(now, "vanished"),
    stalledModels: [...new Set(now.filter((row) => row.is_stalled).map((row) => row.model))],
    previous: period.has_previous ? {
      ...cohortOf(data, period.cohort + 1, selection),
      open: sum(before, "open_invocations"), stuck: sum(before, "stuck"),
    } : null,
  };
}

/** Every date of a selection's period, in days since 1970. */
function datesOf(data, selection) {
  const { from_ms } = selection.period;
  const first = Math.floor(Math.max(from_ms, data.first_ms ?? from_ms) / DAY_MS);
  const last = Math.max(
    first, Math.floor(data.as_of_ms / DAY_MS), ...data.days.map((row) => row.day));
  return d3.range(first, last + 1);
}

/** The rows of a selection by date. */
function byDate(data, table, selection) {
  return new Map(ofSelection(data, data[table], selection).map((row) => [row.cohort, row]));
}

/** The counts and the failure risk of each date; a date without invocations has a row, too. */
function dailyOutcomes(data, selection) {
  const counts = d3.group(data.days.filter((row) => isIn(row, selection)), (row) => row.day);
  const estimates = byDate(data, "day_estimates", selection);
  return datesOf(data, selection).map((day) => {
    const rows = counts.get(day) ?? [];
    const estimate = estimates.get(day);
    return {
      date: new Date(day * DAY_MS), ...counted(rows), ...estimate, open: estimate?.still_open ?? 0,
      isSettled: rows.every((row) => row.is_settled),
    };
  });
}

/** The latency percentiles of each date: Kaplan-Meier, and of finished ones where they differ. */
function dailyLatencies(data, selection) {
  const estimates = byDate(data, "day_estimates", selection);
  const finished = byDate(data, "day_finished", selection);
  return datesOf(data, selection).map((day) => {
    const row = estimates.get(day) ?? { ended: 0, still_open: 0 };
    const alike = { latency_p50: row.survival_p50, latency_p95: row.survival_p95, latency_p99: row.survival_p99 };
    return { date: new Date(day * DAY_MS), ...row, ...(finished.get(day) ?? alike) };
  });
}

/** The peak of any one account, region and model, and the average of all together. */
function inFlight(data, selection) {
  const hours = data.flight_hours;
  const chosen = data.in_flight.filter((row) =>
    isIn(row, selection) && (row.hour + hours) * HOUR_MS > selection.period.from_ms);
  const byHour = d3.group(chosen, (row) => row.hour);
  if (!byHour.size) return [];
  const [first, last] = d3.extent(byHour.keys());
  return d3.range(first, last + hours, hours).map((hour) => {
    const rowsThen = byHour.get(hour) ?? [];
    return { date: new Date(hour * HOUR_MS), peak: peakOf(rowsThen), average: sum(rowsThen, "average") };
  });
}

/** Failure categories, most frequent first, with the fault and the newest example of each. */
function reasons(data, selection) {
  const rows = data.reasons.filter(
    (row) => row.cohort === selection.period.cohort && isIn(row, selection));
  const total = sum(rows, "failed");
  const examples = d3.group(
    data.examples.filter((row) => isIn(row, selection)), (row) => row.category);
  return [...d3.group(rows, (row) => row.category)].map(([category, group]) => ({
    category, fault: group[0].fault, failed: sum(group, "failed"), share: sum(group, "failed") / total,
    example: examples.get(category)?.[0],
  })).sort((a, b) => b.failed - a.failed);
}

/** A row per model of the accounts and regions selected, most invocations first. */
function models(data, selection) {
  return data.models.map((_, model) => {
    const own = { ...selection, model };
    const flights = data.in_flight.filter(
      (row) => isIn(row, own) && row.hour * HOUR_MS >= selection.period.from_ms);
    return { model, peak: peakOf(flights), ...headline(data, own) };
  }).filter((row) => row.invocations || row.open || row.vanished);
}

/** Incidents that a selection may have part in: those of several accounts or regions are in each. */
function incidents(data, selection) {
  const touches = (row, name) => [ALL, row[name]].includes(selection[name]) || row[name] === ALL;
  return data.incidents
    .filter((row) => DIMENSIONS.every((name) => touches(row, name)))
    .filter((row) => row.ended_ms == null || row.ended_ms > selection.period.from_ms)
    .map((row) => ({ ...row, date: new Date(Math.max(row.started_ms, selection.period.from_ms)) }));
}
