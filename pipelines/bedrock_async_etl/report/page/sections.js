"use strict";
// Each section of the page, drawn anew for a selection.

/** A column of numbers; `numberOf` makes one that shows a member of the rows. */
const number = (name, of) => ({ name, kind: "number", of });
const numberOf = (format) => (name, key = name) => number(name, (row) => format(row[key]));
const [countOf, percentOf, secondsOf] = [count, percent, seconds].map(numberOf);
const SHARES = ["p50", "p95", "p99"];
const INTERVAL = number("95 % interval", interval);
const DATE = { name: "date", of: (row) => day(row.date) };
const scopeColumns = (data) => ["model", "account", "region"].map(
  (name) => ({ name, of: (row) => (row[name] === ALL ? "several" : label(data[`${name}s`][row[name]])) }));

function interval(row) {
  return row.failure_risk == null ? NONE : `${percent(row.failure_risk_low)} to ${percent(row.failure_risk_high)}`;
}

/** How many failed of those that have ended. */
function failedOf(row) {
  return `${count(row.failed)} of ${count(row.completed + row.failed)}`;
}

function tag(text, isAlarm) {
  return element("span", { class: isAlarm ? "tag alarm" : "tag" }, text);
}

function figure(name, heading, value, text, note, change, isAlarm = false, isStale = false) {
  return element("div", { class: `figure${isAlarm ? " alarm" : isStale ? " stale" : ""}` },
    element("h2", {}, heading),
    element("div", { class: "value", "data-figure": name, "data-value": value ?? "" }, text),
    note ? element("p", {}, note) : "",
    change ? element("p", { "data-change": name }, change) : "");
}

/** The change against the period before; `difference` is null for one too small to mention. */
function compared(now, previous, format, difference) {
  if (previous == null) return null;
  if (now == null) return `before: ${format(previous)}`;
  const text = now === previous ? null : difference(now, previous);
  return text ? `${now > previous ? "▲ up" : "▼ down"} ${text}` : "as before";
}

function points(now, previous) {
  const change = 100 * Math.abs(now - previous);
  return change < .05 ? null : `${change.toFixed(1)} points`;
}

function relative(now, previous) {
  const share = Math.abs(now / previous - 1);
  return share < 5e-4 ? null : percent(share);
}

function stuckNote({ stuckUnknown, stalledModels }) {
  const stalled = countedNoun(stalledModels.length, "model");
  return [
    stuckUnknown ? `${count(stuckUnknown)} unknown` : "",
    stalledModels.length ? `nothing ends of ${stalled}` : "",
  ].filter(Boolean).join("; ") || "older than 3 × the typical p99";
}

function drawHeadline(data, selection) {
  const now = headline(data, selection);
  const before = now.previous ?? {};
  const failing = data.freshness.filter((scope) => scope.last_outcome !== "ok").length;
  const scopes = countedNoun(data.freshness.length, "scope");
  const age = (Date.now() - data.as_of_ms) / 1000;
  const grown = (name, format) => (before[name] === 0 && now[name] ? "none before"
    : compared(now[name], before[name], format, relative));
  const added = (name) => compared(now[name], before[name], count, (_, previous) => `from ${count(previous)}`);
  const latency = (name, heading, note) => figure(name.replace("_", "-"), heading, now[name],
    seconds(now[name]), note, grown(name, seconds));
  document.getElementById("headline").replaceChildren(
    figure("invocations", "Invocations", now.invocations, count(now.invocations),
      `${failedOf(now)} failed, ${count(now.still_open ?? 0)} open`, grown("invocations", count)),
    figure("failure-risk", "Failure risk", now.failure_risk, percent(now.failure_risk),
      now.failure_risk == null ? "none has finished" : `${interval(now)}, 95\u00a0% interval`,
      compared(now.failure_risk, before.failure_risk, percent, points)),
    latency("survival_p50", "Median latency", "50 % finish within (Kaplan-Meier)"),
    latency("survival_p95", "95th percentile", "95 % finish within (Kaplan-Meier)"),
    figure("open", "Open now", now.open, count(now.open),
      now.vanished ? `${count(now.vanished)} vanished from the listing` : "of any age", added("open")),
    figure("stuck", "Stuck now", now.stuck, count(now.stuck), stuckNote(now), added("stuck"),
      now.stuck > 0 || now.stalledModels.length > 0),
    figure("freshness", "Last read", data.as_of_ms, data.as_of_ms == null ? NONE : `${duration(Math.max(0, age))} ago`,
      `${time(data.as_of_ms)} UTC; ${failing ? `${count(failing)} of ${scopes} failed` : `${scopes} read`}`,
      null, failing > 0, age > data.stale_seconds));
}

/** A column of text as it is stored, to be copied whole; `shown` is the part of it that is shown. */
function code(name, what, text, shown = null) {
  return {
    name, kind: shown ? "id" : "code", of: (row) => (text(row) == null ? NONE : element("span", { class: "copied" },
      element("code", { title: visible(text(row)) }, shown ? shown(text(row)) : text(row)), copyButton(text(row), what))),
  };
}

/** The last part of an ARN. */
function idOf(arn) {
  return arn.split("/").pop();
}

/** A section with a table, if it has rows. */
function list(id, heading, note, columns, rows) {
  show(id, heading, note, rows.length ? table(heading, columns, rows) : "");
}

/** A section with a chart and its numbers, or with a note where there is nothing to draw. */
function chart(id, heading, note, isEmpty, draw, numbersBehind, ...rest) {
  show(id, heading, note, isEmpty ? element("div", { class: "none" }, "No data in this selection.") : "");
  if (!isEmpty) document.getElementById(id).append(draw(), ...rest, numbers(...numbersBehind));
}

function drawFailures(data, selection) {
  const rows = dailyOutcomes(data, selection);
  const found = incidents(data, selection);
  const columns = [DATE, ...["invocations", "completed", "failed", "open"].map((name) => countOf(name)),
    percentOf("failure risk", "failure_risk"), INTERVAL];
  chart("failure-risk", "Failure risk",
    "Share that will have failed once all have finished (Aalen-Johansen), by submission date. Band: 95 % interval. Hollow: not all have finished.",
    rows.every((row) => row.failure_risk == null), () => drawFailureRisk(rows, found),
    ["Failure risk by date", columns, rows],
    found.length ? element("p", { class: "note" }, `▼ ${countedNoun(found.length, "incident")}, listed above.`) : "");
  chart("volume", "Invocations", "By submission date.",
    rows.every((row) => !row.invocations), () => drawVolume(rows),
    ["Invocations by date", columns, rows],
    legend(...OUTCOMES.map((name) => ({ color: `var(--${name})`, text: name }))));
}

function drawLatencies(data, selection) {
  const rows = dailyLatencies(data, selection);
  chart("latency", "Latency",
    "From submission to end. Solid: Kaplan-Meier estimate, counts running invocations. Dashed: finished ones only.",
    rows.every((row) => !row.ended), () => drawLatency(rows),
    ["Latency by date", [DATE, countOf("finished", "ended"), countOf("open", "still_open"),
      ...SHARES.map((share) => secondsOf(`${share}, Kaplan-Meier`, `survival_${share}`)),
      ...SHARES.map((share) => secondsOf(`${share}, finished`, `latency_${share}`))], rows],
    legend(...SHARES.map((share) => ({ color: `var(--${share})`, text: share })),
      { color: "var(--quiet)", text: "Kaplan-Meier" }, { color: "var(--quiet)", dash: "3 3", text: "finished only" }));
}

function drawFlights(data, selection) {
  const rows = inFlight(data, selection);
  const quota = selection.model === ALL ? null : data.quotas[selection.model];
  const each = data.flight_hours === 1 ? "hour" : `${data.flight_hours} hours`;
  chart("in-flight", "In flight",
    `Line: peak in flight of any one account, region and model, which a quota limits, per ${each}. Area: average of all together.`,
    !rows.length, () => drawInFlight(rows, quota),
    ["In flight", [{ name: "from (UTC)", of: (row) => time(row.date.getTime()) },
      countOf("peak in flight", "peak"), number("average", (row) => row.average.toFixed(2))], rows]);
}

function drawModels(data, selection, choose) {
  const name = (row) => {
    const button = element("button", { type: "button", id: `model-${row.model}` }, label(data.models[row.model]));
    button.addEventListener("click", () => choose("model", row.model));
    return button;
  };
  const peak = (row) => {
    const quota = data.quotas[row.model];
    if (quota == null) return count(row.peak);
    return element("span", { class: row.peak >= quota ? "tag alarm" : null }, `${count(row.peak)} of ${count(quota)}`);
  };
  const stuck = (row) => element("span", {},
    count(row.stuck), row.stuckUnknown ? `, ${count(row.stuckUnknown)} unknown` : "",
    ...(row.stalledModels.length ? [" ", tag("nothing ends", true)] : []));
  list("models", "Models", "For the selected accounts, regions and period. Select a model to see it alone.", [
    { name: "model", of: name }, countOf("invocations"), number("failed", failedOf),
    percentOf("failure risk", "failure_risk"), INTERVAL,
    ...SHARES.map((share) => secondsOf(share, `survival_${share}`)),
    countOf("open"), number("stuck", stuck), number("peak in flight", peak),
  ], models(data, selection));
}

function drawReasons(data, selection) {
  const rows = reasons(data, selection);
  const most = Math.max(0, ...rows.map((row) => row.failed));
  const bar = (row) => {
    const made = element("span", { class: "bar", "aria-hidden": "true" });
    made.style.width = `${100 * row.failed / most}%`;
    return made;
  };
  list("reasons", "Failure reasons", rows.length ? null : "No failures in this selection.", [
    { name: "reason", of: (row) => row.category.replaceAll("_", " ") },
    { name: "fault", of: (row) => row.fault ?? NONE },
    countOf("failed"), percentOf("share"), { name: "of the most frequent", kind: "bars", of: bar },
    data.is_redacted ? { name: "newest (UTC)", kind: "text", of: (row) => time(row.example?.submitted_ms) }
      : { name: "newest message", kind: "text", of: (row) => row.example?.failure_message ?? NONE },
  ], rows);
}

function drawIncidents(data, selection) {
  const rows = incidents(data, selection);
  list("incidents", "Incidents",
    rows.length ? "Hours of submission with more failures than the week before, beyond chance. Excess: failures more than usual. One of several accounts or regions is listed under each."
      : "No model failed more often than in the week before, beyond chance.", [
      { name: "from (UTC)", of: (row) => time(row.started_ms) },
      { name: "until (UTC)", of: (row) => (row.ended_ms == null ? tag("ongoing", true) : time(row.ended_ms)) },
      ...scopeColumns(data),
      countOf("scopes"), number("failed", (row) => `${count(row.failed)} of ${count(row.terminal)}`),
      number("excess", (row) => count(Math.round(row.excess_failed))),
      { name: "cause", of: (row) => row.failure_category.replaceAll("_", " ") },
      ...(data.is_redacted ? [] : [code("example", "its ARN", (row) => row.example_arn, idOf)]),
    ], rows);
}

function drawOpen(data, selection) {
  const rows = data.open_invocations.filter((row) => isIn(row, selection));
  const { open, vanished, stuckUnknown, stalledModels } = headline(data, selection);
  const state = (row) => tag(row.is_vanished ? "vanished" : row.is_stuck ? "stuck" : "open", row.is_stuck);
  const gone = vanished ? ` ${count(vanished)} vanished from the listing.` : "";
  const unknown = stuckUnknown ? ` It is unknown whether ${count(stuckUnknown)} of them are stuck: fewer than 30 of their model completed in 30 days.` : "";
  const stalled = stalledModels.length ? ` Nothing of ${stalledModels.map((model) => isolated(label(data.models[model]))).join(", ")} has ended in 24 hours.` : "";
  const more = open + vanished > rows.length ? ` The ${count(rows.length)} stuck or oldest ones are listed.` : "";
  const note = `${open ? `${count(open)} open, whenever they were submitted.` : "None is open."}${unknown}${stalled}${gone}${more}`;
  list("open", "Open and stuck", document.createTextNode(note), [
    ...(data.is_redacted ? [] : [code("invocation", "its ARN", (row) => row.invocation_arn, idOf)]),
    { name: "state", of: state },
    number("age", (row) => duration(row.age_seconds)),
    number("typical p99", (row) => duration(row.typical_p99)), ...scopeColumns(data),
    { name: "submitted (UTC)", of: (row) => time(row.submitted_ms) },
    ...(data.is_redacted ? [] : [code("output", "the S3 URI", (row) => row.output_s3_uri)]),
  ], rows);
}

function healed(row) {
  const late = row.late ? `, ${count(row.late)} listed late: up to ${duration(row.late_seconds)}` : "";
  return `${count(row.healed)}${late}`;
}

function drawFreshness(data) {
  const rows = data.freshness;
  list("freshness", "Freshness", rows.length ? "All accounts and regions; failed and stalest first." : "No scope has been read yet.", [
    { name: "account", of: (row) => label(row.account_id) },
    { name: "region", of: (row) => label(row.region) },
    { name: "last run", of: (row) => tag(label(row.last_outcome), row.last_outcome !== "ok") },
    { name: "last success (UTC)", of: (row) => time(row.last_success_ms) },
    { name: "submitted through (UTC)", of: (row) => time(row.submitted_through_ms) },
    { name: "healed in a week", kind: "number", of: (row) => healed(row) },
    { name: "last error", kind: "text", of: (row) => row.last_error ?? "" },
  ], rows);
}
