"use strict";
// The charts. Colours are CSS variables, so that themes and print change them without redrawing.

const HEIGHT = 230;
/** What becomes of invocations, as a row has it, with its name; colours have that of the member. */
const PARTS = {
  completed: "completed", failed: "failed", otherwise: "failed otherwise", open: "open", other: "vanished or ended otherwise",
};
const DURATION_TICKS = [
  .01, .1, 1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 12 * 3600, ...[1, 3, 10, 30, 100, 300].map((days) => 86_400 * days)];

/**
 * A chart over the time of a span, in UTC, with a band for each incident.
 *
 * `drawn` has the steps, the length of one, the incidents, and the width of a chart.
 */
function plot(ariaLabel, { steps, step_ms, incidents: bands, width }, { marks, ...options }) {
  const svg = Plot.plot({
    width, height: HEIGHT, marginLeft: 48, marginRight: 14, ariaLabel,
    style: { background: "none", fontSize: "11px", fontFamily: "inherit" },
    ...options,
    x: {
      type: "utc", label: null, domain: [steps[0].begin, steps.at(-1).end], ticks: Math.max(2, Math.floor(width / 90)),
      tickFormat: axisFormat(steps, step_ms),
    },
    y: { label: null, grid: true, ticks: 5, ...options.y },
    marks: [
      Plot.rectX(bands, { x1: "begin", x2: "end", fill: "var(--incident)", stroke: "var(--incident)", clip: true }),
      ...marks,
    ],
  });
  // A screen reader reads what the chart is, not what its lines are made of.
  for (const part of svg.querySelectorAll("g[aria-label]")) part.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  return svg;
}

/** Hours, dates, or months of more than half a year. */
function axisFormat(steps, step_ms) {
  const isLong = steps.at(-1).end - steps[0].begin > 180 * DAY_MS;
  return d3.utcFormat(step_ms === HOUR_MS ? "%H:%M" : isLong ? "%b %Y" : "%-d %b");
}

function legend(...entries) {
  const swatch = ({ color, dash, text, isBand }) => element("span", {},
    element("i", { class: isBand ? "band" : dash ? "dashed" : "line", style: `--color: ${color}`, "aria-hidden": "true" }), text);
  return element("div", { class: "legend" }, ...entries.map(swatch));
}

/** The box at the step that is pointed at; `lines` makes its lines of a row. */
function tip(rows, y, lines) {
  return Plot.tip(rows, Plot.pointerX({
    x: "date", y, title: (row) => lines(row).filter(Boolean).join("\n"),
    fill: "var(--card)", stroke: "var(--line)", textPadding: 8,
  }));
}

function zeroLine() {
  return Plot.ruleY([0], { stroke: "var(--line)" });
}

/** A step as text: its hours of one date, or its date. */
function stepName({ begin, end }, step_ms) {
  return step_ms < DAY_MS ? `${time(+begin)} to ${time(+end).slice(11)}` : step_ms === DAY_MS ? time(+begin).slice(0, 10)
    : `${time(+begin).slice(0, 10)} to ${time(end - 1).slice(0, 10)}`;
}

/** True for a step whose risk would be another, as the page shows it, if all its open ones failed. */
function canMove({ open, terminal }) {
  return open > 0 && open / (open + terminal) >= 5e-4;
}

function faultColor(fault) {
  return `var(--fault-${["client", "service", "content"].includes(fault) ? fault : "unknown"})`;
}

function drawFailureRisk(drawn, faults) {
  const { steps, step_ms } = drawn;
  const defined = (row) => row.risk != null;
  const ended = steps.filter(defined);
  const top = Math.min(1, Math.max(.01, ...ended.map((row) => row.risk)) * 1.6);
  const clipped = (name) => (row) => Math.min(top, row[name]);
  return plot("Failure risk by time of submission, with its 95 % interval", drawn, {
    y: { domain: [0, top], tickFormat: (share) => `${+(100 * share).toFixed(2)} %` },
    marks: [
      Plot.ruleX(ended, { x: "date", y1: clipped("low"), y2: clipped("high"), stroke: "var(--band)", strokeWidth: ended.length > 60 ? 4 : 7 }),
      ...faults.map((fault, at) => Plot.line(steps, {
        x: "date", y: (row) => row.byFault[at].risk, stroke: faultColor(fault), strokeWidth: 1.2, defined })),
      Plot.line(steps, { x: "date", y: "risk", stroke: "var(--failed)", strokeWidth: 2, defined }),
      Plot.dot(ended, { x: "date", y: "risk", r: ended.length > 60 ? 2 : 3, stroke: "var(--failed)", strokeWidth: 1.5,
        fill: (row) => (canMove(row) ? "var(--card)" : "var(--failed)") }),
      zeroLine(),
      tip(ended, "risk", (row) => [
        stepName(row, step_ms), `${percent(row.risk)} (${interval(row)})`, `${failedOf(row)} failed`,
        ...faults.map((fault, at) => `${fault}: ${percent(row.byFault[at].risk)}`),
        row.open ? `${count(row.open)} still open` : ""]),
    ],
  });
}

function drawVolume(drawn) {
  const parts = drawn.steps.flatMap((row) => Object.keys(PARTS).map(
    (kind) => ({ begin: row.begin, end: row.end, kind, value: row[kind] })));
  return plot("Invocations by time of submission: completed, failed, open", drawn, {
    color: { domain: Object.keys(PARTS), range: Object.keys(PARTS).map((name) => `var(--${name})`) },
    y: { tickFormat: "~s" },
    marks: [
      Plot.rectY(parts, { x1: "begin", x2: "end", y: "value", fill: "kind", insetLeft: .5, insetRight: .5 }),
      zeroLine(),
      tip(drawn.steps, "invocations", (row) => [
        stepName(row, drawn.step_ms), ...Object.entries(PARTS).map(([kind, name]) => (row[kind] ? `${count(row[kind])} ${name}` : ""))]),
    ],
  });
}

function drawLatency(drawn) {
  const { steps, step_ms } = drawn;
  const line = (of, share, options) => Plot.line(
    steps, { x: "date", y: (row) => of(row)[share], stroke: `var(--${share})`, ...options });
  const values = steps.flatMap((row) => SHARE_NAMES.flatMap((share) => [row[share], row.finished[share]])).filter((each) => each > 0);
  const [low, high] = [.8 * (d3.min(values) ?? 1), 1.25 * (d3.max(values) ?? 60)];
  const round = DURATION_TICKS.filter((tick) => tick >= low && tick <= high);
  const ticks = round.length > 1 ? round : [low * 1.25, high / 1.25];
  return plot("Latency percentiles by time of submission", drawn, {
    marginLeft: 56,
    y: { type: "log", domain: [low, high], axis: null, grid: false },
    marks: [
      Plot.ruleY(ticks, { stroke: "currentColor", strokeOpacity: .1 }),
      Plot.text(ticks, { text: duration, y: (tick) => tick, frameAnchor: "left", textAnchor: "end", dx: -8 }),
      ...SHARE_NAMES.flatMap((share) => [
        line((row) => row.finished, share, { strokeWidth: 1.5, strokeDasharray: "3 3" }),
        line((row) => row, share, { strokeWidth: 2, marker: steps.length < 3 ? "dot" : null }),
      ]),
      tip(steps.filter((row) => row.measured), (row) => row.p95 ?? row.finished.p95, (row) => [
        stepName(row, step_ms), `${count(row.measured)} finished, ${count(row.open)} open`,
        ...SHARE_NAMES.map((share) => `${share}: ${duration(row[share])} (finished only: ${duration(row.finished[share])})`)]),
    ],
  });
}

function drawFleet(drawn, rows) {
  return plot("Invocations in flight, all together, on average", drawn, {
    y: { domain: [0, 1.08 * Math.max(.1, d3.max(rows, (row) => row.value))] },
    marks: [
      Plot.rectY(rows, { x1: "begin", x2: "end", y: "value", fill: "var(--completed)", fillOpacity: .45 }),
      zeroLine(),
      tip(rows.map((row) => ({ ...row, date: new Date((+row.begin + +row.end) / 2) })), "value", (row) => [
        stepName(row, drawn.step_ms), `${row.value.toFixed(1)} in flight on average`]),
    ],
  });
}

/** A small chart of the peaks of one model, with its quota. */
function drawPeaks(drawn, { rows, quota, peak }, ariaLabel) {
  const [width, height, left] = [260, 84, 30];
  const x = d3.scaleUtc([drawn.steps[0].begin, drawn.steps.at(-1).end], [left, width - 4]);
  const y = d3.scaleLinear([0, 1.1 * Math.max(1, quota ?? 0, peak)], [height - 16, 4]);
  const line = d3.line((row) => x(row.begin), (row) => y(row.value)).curve(d3.curveStepAfter);
  const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("role", "img").attr("aria-label", ariaLabel);
  const text = (value, at, anchor, dy) => svg.append("text").attr("x", at[0]).attr("y", at[1] + dy)
    .attr("text-anchor", anchor).text(value);
  for (const band of drawn.incidents) {
    svg.append("rect").attr("class", "band").attr("x", Math.max(left, x(band.begin))).attr("y", 4).attr("height", height - 20)
      .attr("width", Math.max(1.5, Math.min(width - 4, x(band.end)) - Math.max(left, x(band.begin))));
  }
  for (const tick of y.ticks(3).filter(Number.isInteger)) text(count(tick), [left - 4, y(tick)], "end", 3);
  svg.append("path").attr("class", "peak").attr("d", line([...rows, { begin: rows.at(-1).end, value: rows.at(-1).value }]));
  if (quota != null) {
    svg.append("line").attr("class", "quota").attr("x1", left).attr("x2", width - 4).attr("y1", y(quota)).attr("y2", y(quota));
  }
  const format = axisFormat(drawn.steps, drawn.step_ms);
  text(format(drawn.steps[0].begin), [left, height], "start", -3);
  text(format(drawn.steps.at(-1).end), [width - 4, height], "end", -3);
  return svg.node();
}

/** A line as small as a word: the shares of a row by step, up to `top`. */
function sparkLine(values, top) {
  const [width, height] = [90, 18];
  const x = d3.scaleLinear([0, Math.max(1, values.length - 1)], [1, width - 1]);
  const y = d3.scaleLinear([0, top || 1], [height - 1, 1]).clamp(true);
  const line = d3.line((_, at) => x(at), (value) => y(value)).defined((value) => value != null);
  return d3.create("svg").attr("class", "spark").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height)
    .attr("aria-hidden", "true").call((svg) => svg.append("path").attr("d", line(values))).node();
}
