"use strict";
// Each section of the page, drawn anew for a selection.

/** A column of numbers; `numberOf` makes one that shows a member of the rows, and sorts by it. */
const number = (name, of, by) => ({ name, kind: "number", of, by });
const numberOf = (format) => (name, key = name) => number(name, (row) => format(row[key]), (row) => row[key]);
const [countOf, percentOf, durationOf] = [count, percent, duration].map(numberOf);
const INTERVAL = number("95 % interval", interval, (row) => row.low);
const scopeColumns = (data) => ["model", "account", "region"].map(
  (name) => ({ name, of: (row) => (row[name] === ALL ? "several" : label(data[`${name}s`][row[name]])) }));

function interval(row) {
  return row.risk == null ? NONE : `${percent(row.low)} to ${percent(row.high)}`;
}

function riskWithInterval(row) {
  return element("span", {}, percent(row.risk), element("small", {}, row.risk == null ? "" : ` ${interval(row)}`));
}

/** Text: failed of finished invocations. */
function failedOf(row) {
  return `${count(row.failed)} of ${count(row.terminal)}`;
}

function tag(text, isAlarm) {
  return element("span", { class: isAlarm ? "tag alarm" : "tag" }, text);
}

/** A headline figure; `mark` is the class of one that asks for attention. */
function figure({ name, heading, value, text, note, change, mark }) {
  return element("div", { class: mark ? `figure ${mark}` : "figure" },
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

/** The change of a risk, with a word about it where the intervals of the two overlap. */
function mayBeChance(now, before, change) {
  const overlaps = before.risk != null && now.risk != null && now.low <= before.high && before.low <= now.high;
  return overlaps && change !== "as before" ? `${change}, may be chance` : change;
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

function drawHeadline(data, now) {
  const before = now.previous ?? {};
  const age = (Date.now() - data.as_of_ms) / 1000;
  const grown = (name, format) => (before[name] === 0 && now[name] ? "none before"
    : compared(now[name], before[name], format, relative));
  const more = (name) => compared(now[name], before[name], count, (_, previous) => `from ${count(previous)}`);
  const latency = (name, heading, note) => ({
    name: `survival-${name}`, heading, value: now[name], text: duration(now[name]), note, change: grown(name, duration) });
  const parts = ["otherwise", "open", "other"].map((kind) => {
    const number = kind === "open" ? now.stillOpen : now[kind];
    return number || kind === "open" ? `, ${count(number)} ${PARTS[kind]}` : "";
  });
  document.getElementById("headline").replaceChildren(...[
    { name: "invocations", heading: "Invocations", value: now.invocations, text: count(now.invocations),
      note: `${failedOf(now)} failed${parts.join("")}`, change: grown("invocations", count) },
    { name: "failure-risk", heading: "Failure risk", value: now.risk, text: percent(now.risk),
      note: now.risk == null ? "none has finished" : `${interval(now)}, 95\u00a0% interval`,
      change: mayBeChance(now, before, compared(now.risk, before.risk, percent, points)) },
    latency("p50", "Median latency", "50 % finish within (Kaplan-Meier)"),
    latency("p95", "95th percentile", "95 % finish within (Kaplan-Meier)"),
    { name: "open", heading: "Open now", value: now.open, text: count(now.open),
      note: now.vanished ? `${count(now.vanished)} vanished from the listing` : "of any age", change: more("open") },
    { name: "stuck", heading: "Stuck now", value: now.stuck, text: count(now.stuck), note: stuckNote(now), change: more("stuck"),
      mark: now.stuck > 0 || now.stalledModels.length ? "alarm" : null },
    { name: "freshness", heading: "Last read", value: data.as_of_ms,
      text: data.as_of_ms == null ? NONE : `${duration(Math.max(0, age))} ago`,
      note: `${time(data.as_of_ms)} UTC; ${readNote(data)}`,
      mark: data.freshness.every(isRead) ? (age > data.stale_seconds ? "stale" : null) : "alarm" },
  ].map(figure));
}

/** The number of scopes that failed or were never read, of all. */
function readNote({ freshness }) {
  const scopes = countedNoun(freshness.length, "scope");
  const bad = freshness.filter((scope) => !isRead(scope));
  const never = bad.filter((scope) => scope.last_outcome == null).length;
  const failed = bad.length - never;
  return [failed ? `${count(failed)} of ${scopes} failed` : "", never ? `${count(never)} of ${scopes} never read` : ""]
    .filter(Boolean).join(", ") || `${scopes} read`;
}

function drawFindings(found, choose) {
  const items = found.map(({ text, choice, section, isAlarm }, at) => {
    const button = element("button", { type: "button", id: `show-${at}`, "aria-label": `Show: ${text}` }, "Show");
    button.addEventListener("click", () => {
      choose(choice);
      afterPaint(() => goTo(section)); // once the findings are drawn, which may move it
    });
    return element("li", { class: isAlarm ? "alarm" : null }, element("span", {}, text), " ", button);
  });
  show("findings", "What stands out", found.length ? null
    : "Nothing: no incident, no account or region that fails more often or is slower beyond chance, no quota reached, nothing stuck, every scope fresh.",
  items.length ? element("ul", {}, ...items) : "");
}

function goTo(id) {
  const section = document.getElementById(id);
  section.scrollIntoView();
  section.focus({ preventScroll: true });
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

function drawOutcomes(drawn, faults, cause) {
  const { steps, step_ms } = drawn;
  const failed = cause ? `failed by ${reasonName(cause.name)}` : "failed";
  const kinds = Object.keys(PARTS).filter((kind) => d3.some(steps, (row) => row[kind]));
  const partName = (kind) => (kind === "failed" ? failed : PARTS[kind]);
  const columns = [{ name: "submitted (UTC)", of: (row) => stepName(row, step_ms) }, countOf("invocations"),
    ...["completed", "failed", "open"].map((kind) => countOf(partName(kind), kind)),
    ...["otherwise", "other"].filter((kind) => kinds.includes(kind)).map((kind) => countOf(partName(kind), kind)),
    percentOf("failure risk", "risk"), INTERVAL];
  const bands = drawn.incidents.length ? [{ color: "var(--incident)", isBand: true, text: "incident" }] : [];
  chart("failure-risk", "Failure risk",
    `Share that will have ${failed} once all have finished (Aalen-Johansen), by ${stepNoun(step_ms)} of submission, UTC. Bars: 95 % interval. Hollow: open ones could move it.`,
    steps.every((row) => row.risk == null), () => drawFailureRisk(drawn, faults),
    ["Failure risk", columns, steps],
    legend({ color: "var(--failed)", text: "all" }, ...faults.map((fault) => ({ color: faultColor(fault), text: fault })), ...bands));
  chart("volume", "Invocations", `By ${stepNoun(step_ms)} of submission, UTC.`,
    steps.every((row) => !row.invocations), () => drawVolume(drawn), ["Invocations", columns, steps],
    legend(...kinds.map((kind) => ({ color: `var(--${kind})`, text: partName(kind) }))));
}

function stepNoun(step_ms) {
  return step_ms === HOUR_MS ? "hour" : step_ms === 6 * HOUR_MS ? "6 hours"
    : step_ms === DAY_MS ? "date" : `${step_ms / DAY_MS} days`;
}

function drawLatencies(drawn) {
  const { steps, step_ms } = drawn;
  chart("latency", "Latency",
    "From submission to end. Solid: Kaplan-Meier estimate, counts running invocations. Dashed: finished ones only.",
    steps.every((row) => !row.measured), () => drawLatency(drawn),
    ["Latency", [{ name: "submitted (UTC)", of: (row) => stepName(row, step_ms) }, countOf("finished", "measured"), countOf("open"),
      ...SHARE_NAMES.map((share) => durationOf(`${share}, Kaplan-Meier`, share)),
      ...SHARE_NAMES.map((share) => number(`${share}, finished`, (row) => duration(row.finished[share])))], steps],
    legend(...SHARE_NAMES.map((share) => ({ color: `var(--${share})`, text: share })),
      { color: "var(--quiet)", text: "Kaplan-Meier" }, { color: "var(--quiet)", dash: true, text: "finished only" }));
}

const MOST_MODELS = 8;

function drawFlights(data, drawn, { models, fleet }) {
  chart("fleet", "In flight, all together", "How many ran on average, without stuck and vanished ones.",
    fleet.every((row) => !row.value), () => drawFleet(drawn, fleet),
    ["In flight", [{ name: "from (UTC)", of: (row) => stepName(row, drawn.step_ms) }, number("average", (row) => row.value.toFixed(2))], fleet]);
  const shown = models.slice(0, MOST_MODELS);
  const small = ({ model, quota, peak, ...rest }) => {
    const name = label(data.models[model]);
    const most = quota == null ? `peak ${count(peak)}` : `peak ${count(peak)} of ${count(quota)}`;
    return element("figure", {}, element("figcaption", {}, isolated(name), " ",
      quota != null && peak >= quota ? tag(most, true) : element("span", { class: "note" }, most)),
    drawPeaks(drawn, { quota, peak, ...rest }, `Peak in flight of ${name}`));
  };
  show("in-flight", "Peak in flight by model",
    `The most at once in any one account and region, which a quota limits, without stuck and vanished ones.${
      models.length > shown.length ? ` ${count(shown.length)} of ${countedNoun(models.length, "model")} shown: the breakdown has the others.` : ""}`,
    shown.length ? element("div", { class: "multiples" }, ...shown.map(small)) : element("div", { class: "none" }, "No data in this selection."));
}

function drawBreakdown(data, selection, rows, choose) {
  const { by } = selection;
  const { dimensions } = BREAKDOWNS.find((each) => each.name === by);
  const labelOf = (row) => (name) => label(data[`${name}s`][row.choice[name]]);
  const nameOf = (row) => (dimensions ? dimensions.map(labelOf(row)).join(" · ") : reasonName(row.cause.name));
  const name = (row) => {
    const button = element("button", { type: "button", id: `choose-${Object.values(row.choice).join("-")}` }, nameOf(row));
    button.addEventListener("click", () => choose(row.choice));
    return button;
  };
  const peak = (row) => {
    const quota = by === "model" ? data.quotas[row.choice.model] : null;
    if (quota == null) return count(row.peak);
    return element("span", { class: row.peak >= quota ? "tag alarm" : null }, `${count(row.peak)} of ${count(quota)}`);
  };
  const open = (row) => element("span", {}, count(row.open), row.stuck ? `, ${count(row.stuck)} stuck` : "",
    row.stuckUnknown ? `, ${count(row.stuckUnknown)} perhaps stuck` : "",
    ...(by === "model" && row.stalledModels.length ? [" ", tag("nothing ends", true)] : []));
  const top = d3.max(rows, (row) => d3.quantile(row.trend.filter((each) => each != null), .98) ?? 0);
  const trendColumn = { name: "failed over time", kind: "trend", of: (row) => sparkLine(row.trend, top) };
  const columns = [
    { name: by, kind: "name", of: name, by: nameOf }, countOf("invocations"), number("failed", failedOf, (row) => row.failed),
    number("excess", (row) => (row.excess == null ? NONE : count(Math.round(row.excess))), (row) => row.excess),
    number("failure risk", riskWithInterval, (row) => row.risk), trendColumn, ...SHARE_NAMES.map((share) => durationOf(share)),
  ];
  const ofLeaves = [number("open", open, (row) => row.open), number("peak in flight", peak, (row) => row.peak)];
  const examples = examplesOf(data, selection);
  const example = (row) => d3.greatest(row.cause.outcomes.map((each) => examples.get(each)).filter(Boolean), (each) => each.submitted_ms);
  const ofCauses = [
    ...(by === "reason" ? [{ name: "fault", of: (row) => row.cause.fault }] : []),
    data.is_redacted ? { name: "newest (UTC)", kind: "text", of: (row) => time(example(row)?.submitted_ms) }
      : { name: "newest message", kind: "text", of: (row) => example(row)?.failure_message ?? NONE },
  ];
  const others = dimensions?.includes("model") ? "the others" : "the others with the same models";
  show("breakdown", "Breakdown",
    dimensions ? `Excess: failures beyond the rate of ${others}; the worst come first. Choose a name to see it alone.`
      : "Excess: failures beyond the rate of the period before. Latencies are those of the failures. Choose a name to count those failures alone.",
    tabs(selection, choose), rows.length ? table(`Breakdown by ${by}`, [...columns, ...(dimensions ? ofLeaves : ofCauses)], rows)
      : element("p", {}, dimensions ? "No invocations in this selection." : "No failures in this selection."));
}

function tabs(selection, choose) {
  return element("fieldset", { class: "tabs" }, element("legend", {}, "By"), element("div", {}, ...BREAKDOWNS.map(({ name }) => {
    const input = element("input", { type: "radio", name: "by", value: name, id: `by-${name.replaceAll(" ", "-")}`, checked: name === selection.by });
    input.addEventListener("change", () => choose({ by: name }));
    return element("label", {}, input, name);
  })));
}

function drawIncidents(data, rows) {
  list("incidents", "Incidents",
    rows.length ? "Hours of submission with more failures than the week before, beyond chance. Excess: failures beyond the usual rate. An incident in several accounts or regions is listed whichever is chosen."
      : "No model failed more often than in the week before, beyond chance.", [
      { name: "from (UTC)", of: (row) => shortTime(row.started_ms) },
      { name: "until (UTC)", of: (row) => (row.ended_ms == null ? tag("ongoing", true) : shortTime(row.ended_ms)) },
      ...scopeColumns(data),
      countOf("scopes"), number("failed", (row) => `${count(row.failed)} of ${count(row.terminal)}`),
      number("excess", (row) => count(Math.round(row.excess_failed))),
      { name: "cause", of: (row) => reasonName(row.failure_category) },
      ...(data.is_redacted ? [] : [code("example", "its ARN", (row) => row.example_arn, idOf)]),
    ], rows);
}

function drawOpen(data, selection) {
  const rows = data.open_invocations.filter((row) => isIn(row, selection));
  const { open, vanished, stuckUnknown, stalledModels } = openNow(data, selection);
  const state = (row) => tag(row.is_vanished ? "vanished" : row.is_stuck ? "stuck" : "open", row.is_stuck);
  const gone = vanished ? ` ${count(vanished)} vanished from the listing.` : "";
  const unknown = stuckUnknown ? ` It is unknown whether ${count(stuckUnknown)} of them are stuck: fewer than 30 of their model completed in 30 days.` : "";
  const stalledNames = stalledModels.map((model) => isolated(label(data.models[model]))).join(", ");
  const stalled = stalledNames ? ` Nothing of ${stalledNames} has ended in 24 hours.` : "";
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
  const late = sum(rows, "late");
  const latest = duration(d3.max(rows, (row) => row.late_seconds));
  const found = late ? `In a week, ${countedNoun(late, "row")} had been listed later than the lag, up to ${latest} after submission, and healed.`
    : "In a week, no row was found that had been listed later than the lag.";
  list("freshness", "Freshness", rows.length ? `All accounts and regions; failed and stalest first. ${found}` : "No scope has been read yet.", [
    { name: "account", of: (row) => label(row.account_id) },
    { name: "region", of: (row) => label(row.region) },
    { name: "last run", of: (row) => tag(row.last_outcome ?? "never read", !isRead(row)) },
    { name: "last success (UTC)", of: (row) => time(row.last_success_ms) },
    { name: "submitted through (UTC)", of: (row) => time(row.submitted_through_ms) },
    { name: "healed in a week", kind: "number", of: (row) => healed(row) },
    { name: "last error", kind: "text", of: (row) => row.last_error ?? "" },
  ], rows);
}
