"use strict";
// Each section of the page, drawn anew for a selection.

function figure(name, heading, value, text, note, change, isAlarm = false) {
  return element("div", { class: isAlarm ? "figure alarm" : "figure" },
    element("h2", {}, heading),
    element("div", { class: "value", "data-figure": name, "data-value": value ?? "" }, text),
    note ? element("p", {}, note) : "",
    change ? element("p", { "data-change": name }, change) : "");
}

function points(now, previous) {
  if (previous == null || now == null) return previous == null ? null : `before: ${percent(previous)}`;
  const change = 100 * (now - previous);
  if (Math.abs(change) < .05) return "as before";
  return `${change > 0 ? "▲ up" : "▼ down"} ${Math.abs(change).toFixed(1)} points`;
}

function difference(now, previous) {
  if (previous == null) return null;
  if (now === previous) return "as before";
  return `${now > previous ? "▲ up" : "▼ down"} from ${count(previous)}`;
}

function change(now, previous) {
  if (now == null || previous == null) return previous == null ? null : `before: ${seconds(previous)}`;
  if (!previous) return now ? "none before" : "as before";
  const share = now / previous - 1;
  if (Math.abs(share) < 5e-4) return "as before";
  return `${share > 0 ? "▲ up" : "▼ down"} ${percent(Math.abs(share))}`;
}

function drawHeadline(data, selection) {
  const now = headline(data, selection);
  const before = now.previous;
  const open = now.invocations - now.completed - now.failed;
  document.getElementById("headline").replaceChildren(
    figure("invocations", "Invocations", now.invocations, count(now.invocations),
      `${count(now.failed)} failed, ${count(open)} of them open`,
      before && change(now.invocations, before.invocations)),
    figure("failure-rate", "Failure rate", now.rate, percent(now.rate),
      now.rate == null ? "none has ended" : `${percent(now.low)} to ${percent(now.high)}, 95\u00a0% interval`,
      before && points(now.rate, before.rate)),
    figure("survival-p50", "Median latency", now.survival_p50, seconds(now.survival_p50),
      "half end within, by survival", before && change(now.survival_p50, before.survival_p50)),
    figure("survival-p95", "95th percentile", now.survival_p95, seconds(now.survival_p95),
      "95 % end within, by survival", before && change(now.survival_p95, before.survival_p95)),
    figure("open", "Open now", now.open, count(now.open),
      now.vanished ? `${count(now.vanished)} vanished from the listing` : "whatever their age",
      before && difference(now.open, before.open)),
    figure("stuck", "Stuck now", now.stuck, count(now.stuck),
      "older than 3 × the usual p99", before && difference(now.stuck, before.stuck), now.stuck > 0),
    figure("freshness", "Fresh as of", data.as_of_ms, time(data.as_of_ms).slice(0, 10),
      `${time(data.as_of_ms).slice(11)} UTC; ${scopesTold(data.freshness)}`, null, hasFailing(data.freshness)));
}

function hasFailing(scopes) {
  return scopes.some((scope) => scope.last_outcome !== "ok");
}

function scopesTold(scopes) {
  const failing = scopes.filter((scope) => scope.last_outcome !== "ok").length;
  if (failing) return `${count(failing)} of ${count(scopes.length)} scopes failed`;
  return scopes.length === 1 ? "its scope was read" : `all ${count(scopes.length)} scopes were read`;
}

/** A section with a chart, or with a word where there is nothing to draw. */
function chart(id, heading, note, isEmpty, draw, ...rest) {
  show(id, heading, note, isEmpty ? element("div", { class: "none" }, "None in this selection.") : "");
  if (isEmpty) return;
  const section = document.getElementById(id);
  section.append(draw(), ...rest);
}

function drawFailures(data, selection) {
  const rows = dailyRates(data, selection);
  const spiked = spikes(data, selection);
  const columns = [
    { name: "date", of: (row) => day(row.date) },
    { name: "invocations", isNumber: true, of: (row) => count(row.invocations) },
    { name: "completed", isNumber: true, of: (row) => count(row.completed) },
    { name: "failed", isNumber: true, of: (row) => count(row.failed) },
    { name: "open", isNumber: true, of: (row) => count(row.open) },
    { name: "failure rate", isNumber: true, of: (row) => percent(row.rate) },
    { name: "95 % interval", isNumber: true, of: (row) => (row.rate == null ? NONE : `${percent(row.low)} to ${percent(row.high)}`) },
  ];
  chart("failure-rate", "Failure rate",
    "Failed of those that have ended, by date of submission; the band is the 95 % interval. A hollow dot: some are still open.",
    rows.every((row) => row.rate == null), () => drawFailureRate(rows, spiked),
    spiked.length ? element("p", { class: "note" }, `▼ marks ${count(spiked.length)} ${spiked.length === 1 ? "hour" : "hours"} with a spike, told below.`) : "",
    numbers("Failure rate by date", columns, rows));
  chart("volume", "Invocations", "By date of submission.",
    rows.every((row) => !row.invocations), () => drawVolume(rows),
    legend({ color: "var(--completed)", text: "completed" }, { color: "var(--failed)", text: "failed" },
      { color: "var(--open)", text: "open" }), numbers("Invocations by date", columns, rows));
}

function drawLatencies(data, selection) {
  const rows = dailyLatencies(data, selection);
  const shares = ["p50", "p95", "p99"];
  const columns = [
    { name: "date", of: (row) => day(row.date) },
    { name: "ended", isNumber: true, of: (row) => count(row.ended) },
    { name: "open", isNumber: true, of: (row) => count(row.still_open) },
    ...shares.map((share) => ({ name: `${share} by survival`, isNumber: true, of: (row) => seconds(row[`survival_${share}`]) })),
    ...shares.map((share) => ({ name: `${share} of ended`, isNumber: true, of: (row) => seconds(row[`latency_${share}`]) })),
  ];
  chart("latency", "Latency",
    "From submission to end. By survival: holds while some are open (Kaplan-Meier). Dashed: of those that have ended, too low while slow ones run.",
    rows.every((row) => !row.ended), () => drawLatency(rows),
    legend(...shares.map((share) => ({ color: `var(--${share})`, text: share })),
      { color: "var(--quiet)", text: "by survival" }, { color: "var(--quiet)", dash: "3 3", text: "of ended alone" }),
    numbers("Latency by date", columns, rows));
}

function drawFlights(data, selection) {
  const rows = inFlight(data, selection);
  const quota = selection.model === ALL ? null : data.quotas[selection.model];
  const { hours } = data.in_flight;
  const each = hours === 1 ? "hour" : `${hours} hours`;
  chart("in-flight", "In flight",
    `Line: most at once in any one account, region and model, which is what a quota limits, per ${each}. Area: average of all together.`,
    !rows.length, () => drawInFlight(rows, quota), numbers("In flight", [
      { name: "from (UTC)", of: (row) => time(row.date.getTime()) },
      { name: "most at once", isNumber: true, of: (row) => count(row.peak) },
      { name: "average", isNumber: true, of: (row) => row.average.toFixed(2) },
    ], rows));
}

function drawModels(data, selection, choose) {
  const rows = models(data, selection);
  const name = (row) => {
    const button = element("button", { type: "button" }, label(data.models[row.model]));
    button.addEventListener("click", () => choose("model", row.model));
    return button;
  };
  const peak = (row) => {
    const quota = data.quotas[row.model];
    if (quota == null) return count(row.peak);
    return element("span", { class: row.peak >= quota ? "tag alarm" : null }, `${count(row.peak)} of ${count(quota)}`);
  };
  show("models", "Models", "Of the accounts, regions and period chosen. Choose a model to see it alone.", table("Models", [
    { name: "model", of: name },
    { name: "invocations", isNumber: true, of: (row) => count(row.invocations) },
    { name: "failed", isNumber: true, of: (row) => count(row.failed) },
    { name: "failure rate", isNumber: true, of: (row) => percent(row.rate) },
    { name: "95 % interval", isNumber: true, of: (row) => (row.rate == null ? NONE : `${percent(row.low)} to ${percent(row.high)}`) },
    { name: "p50", isNumber: true, of: (row) => seconds(row.survival_p50) },
    { name: "p95", isNumber: true, of: (row) => seconds(row.survival_p95) },
    { name: "p99", isNumber: true, of: (row) => seconds(row.survival_p99) },
    { name: "open", isNumber: true, of: (row) => count(row.open) },
    { name: "stuck", isNumber: true, of: (row) => count(row.stuck) },
    { name: "most at once", isNumber: true, of: peak },
  ], rows));
}

function drawReasons(data, selection) {
  const rows = reasons(data, selection);
  const most = Math.max(0, ...rows.map((row) => row.failed));
  const example = ({ example: found }) => (found?.failure_message == null ? NONE : found.failure_message);
  show("reasons", "Why invocations failed", rows.length ? null : "None has failed in this selection.",
    rows.length ? table("Why invocations failed", [
      { name: "reason", of: (row) => row.category.replaceAll("_", " ") },
      { name: "failed", isNumber: true, of: (row) => count(row.failed) },
      { name: "share", isNumber: true, of: (row) => percent(row.share) },
      { name: "", kind: "bars", of: (row) => {
        const bar = element("span", { class: "bar", "aria-hidden": "true" });
        bar.style.width = `${100 * row.failed / most}%`;
        return bar;
      } },
      { name: data.is_redacted ? "newest (UTC)" : "newest message", kind: "text", of: (row) => (data.is_redacted ? time(row.example?.submitted_ms) : example(row)) },
    ], rows) : "");
}

function drawSpikes(data, selection) {
  const rows = spikes(data, selection);
  show("spikes", "Hours that stand out",
    rows.length ? "They failed significantly more than the week before them (z of 3 or more, 20 or more that have ended)." : "No hour failed significantly more than the week before it.",
    rows.length ? table("Hours that stand out", [
      { name: "hour (UTC)", of: (row) => time(row.submitted_ms) },
      { name: "model", of: (row) => label(data.models[row.model]) },
      { name: "account", of: (row) => label(data.accounts[row.account]) },
      { name: "region", of: (row) => label(data.regions[row.region]) },
      { name: "failed", isNumber: true, of: (row) => `${count(row.failed)} of ${count(row.terminal)}` },
      { name: "failure rate", isNumber: true, of: (row) => percent(row.rate) },
      { name: "usual", isNumber: true, of: (row) => percent(row.baseline_rate) },
      { name: "z", isNumber: true, of: (row) => row.z_score.toFixed(1) },
    ], rows) : "");
}

function drawOpen(data, selection) {
  const rows = openInvocations(data, selection);
  const { open } = headline(data, selection);
  const state = (row) => element("span", { class: row.is_stuck ? "tag alarm" : "tag" },
    [row.is_stuck ? "stuck" : "open", row.is_vanished ? "vanished" : ""].filter(Boolean).join(", "));
  const more = open > rows.length ? ` The ${count(rows.length)} that wait longest are listed.` : "";
  show("open", "Open and stuck", open ? `${count(open)} open, whenever they were submitted.${more}` : "None is open.",
    rows.length ? table("Open and stuck", [
      { name: "state", of: state },
      { name: "age", isNumber: true, of: (row) => duration(row.age_seconds) },
      { name: "usual p99", isNumber: true, of: (row) => duration(row.typical_p99) },
      { name: "model", of: (row) => label(data.models[row.model]) },
      { name: "account", of: (row) => label(data.accounts[row.account]) },
      { name: "region", of: (row) => label(data.regions[row.region]) },
      { name: "submitted (UTC)", of: (row) => time(row.submitted_ms) },
      ...(data.is_redacted ? [] : [
        { name: "output", kind: "text", of: (row) => element("code", {}, row.output_s3_uri ?? NONE) },
        { name: "invocation", kind: "text", of: (row) => element("code", { title: row.invocation_arn }, row.invocation_arn.split("/").pop()) },
      ]),
    ], rows) : "");
}

function drawFreshness(data) {
  const rows = data.freshness;
  const note = rows.length ? "Every account and region, those that failed or wait longest first." : "No scope was read yet.";
  show("freshness", "How fresh the copy is", note, rows.length ? table("How fresh the copy is", [
    { name: "account", of: (row) => label(row.account_id) },
    { name: "region", of: (row) => label(row.region) },
    { name: "last run", of: (row) => element("span", { class: row.last_outcome === "ok" ? "tag" : "tag alarm" }, label(row.last_outcome)) },
    { name: "last success (UTC)", of: (row) => time(row.last_success_ms) },
    { name: "submitted through (UTC)", of: (row) => time(row.submitted_through_ms) },
    { name: "last error", kind: "text", of: (row) => row.last_error ?? "" },
  ], rows) : "");
}
