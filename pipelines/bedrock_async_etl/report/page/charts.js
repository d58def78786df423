"use strict";
// The charts. Colours are CSS variables, so that themes and print change them without redrawing.

const HEIGHT = 230;
const OUTCOMES = ["completed", "failed", "open"];

function plot(id, ariaLabel, options) {
  const width = document.getElementById(id).clientWidth - 34;
  const svg = Plot.plot({
    width: Math.max(width, 260), height: HEIGHT, marginLeft: 48, marginRight: 14, ariaLabel,
    style: { background: "none", fontSize: "11px", fontFamily: "inherit" },
    ...options,
    x: { type: "utc", label: null },
    y: { label: null, grid: true, ticks: 5, ...options.y },
  });
  // A screen reader is told what the chart is, not what its lines are made of.
  for (const part of svg.querySelectorAll("g[aria-label]")) part.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  return svg;
}

function legend(...entries) {
  const line = ({ color, dash, text }) => {
    const swatch = Plot.plot({
      width: 26, height: 10, margin: 0, axis: null, x: { domain: [0, 1] }, y: { domain: [0, 1] },
      marks: [Plot.line([[0, .5], [1, .5]], { stroke: color, strokeWidth: 3, strokeDasharray: dash })],
    });
    swatch.setAttribute("aria-hidden", "true");
    return element("span", {}, swatch, text);
  };
  return element("div", { class: "legend" }, ...entries.map(line));
}

/** The box at the date that is pointed at; `lines` makes its lines of a row. */
function tip(rows, y, lines) {
  return Plot.tip(rows, Plot.pointerX({
    x: "date", y, title: (row) => lines(row).filter(Boolean).join("\n"),
    fill: "var(--card)", stroke: "var(--line)", textPadding: 8,
  }));
}

function zeroLine() {
  return Plot.ruleY([0], { stroke: "var(--line)" });
}

/** Why the row of a date may still change; nothing where it does not. */
function unsettled(row) {
  if (row.isSettled) return "";
  return row.open ? `${count(row.open)} still open` : "more may still be listed";
}

function drawFailureRisk(rows, incidents) {
  const defined = (row) => row.failure_risk != null;
  const ended = rows.filter(defined);
  const top = Math.min(1, Math.max(.01, ...ended.map((row) => row.failure_risk_high)) * 1.1);
  return plot("failure-risk", "Failure risk by submission date, with its 95 % interval", {
    y: { domain: [0, top], tickFormat: (share) => `${+(100 * share).toFixed(2)} %` },
    marks: [
      Plot.areaY(rows, { x: "date", y1: "failure_risk_low", y2: "failure_risk_high", fill: "var(--band)", defined }),
      Plot.line(rows, { x: "date", y: "failure_risk", stroke: "var(--failed)", strokeWidth: 2, defined }),
      Plot.dot(ended, { x: "date", y: "failure_risk", r: 3, stroke: "var(--failed)", strokeWidth: 1.5,
        fill: (row) => (row.isSettled ? "var(--failed)" : "var(--card)") }),
      Plot.dot(incidents, { x: "date", y: top, r: 5, symbol: "triangle", rotate: 180, fill: "var(--p99)",
        title: (row) => `${time(row.started_ms)}: ${count(row.failed)} of ${count(row.terminal)} failed` }),
      zeroLine(),
      tip(ended, "failure_risk", (row) => [
        day(row.date), `${percent(row.failure_risk)} (${interval(row)})`,
        `${failedOf(row)} failed`, unsettled(row)]),
    ],
  });
}

function drawVolume(rows) {
  const parts = rows.flatMap((row) => OUTCOMES.map(
    (kind) => ({ date: row.date, kind, value: row[kind] })));
  return plot("volume", "Invocations by submission date: completed, failed, open", {
    color: { domain: OUTCOMES, range: OUTCOMES.map((name) => `var(--${name})`) },
    y: { tickFormat: "~s" },
    marks: [
      Plot.rectY(parts, { x: "date", y: "value", fill: "kind", interval: "day", insetLeft: .5, insetRight: .5 }),
      zeroLine(),
      tip(rows, "invocations", (row) => [
        day(row.date), ...OUTCOMES.map((name) => `${count(row[name])} ${name}`)]),
    ],
  });
}

function drawLatency(rows) {
  const line = (name, share, options) => Plot.line(
    rows, { x: "date", y: `${name}_${share}`, stroke: `var(--${share})`, ...options });
  return plot("latency", "Latency percentiles by submission date, in seconds", {
    y: { type: "log", label: "seconds", tickFormat: (value) => count(value) },
    marks: [
      ...SHARES.flatMap((share) => [
        line("latency", share, { strokeWidth: 1.5, strokeDasharray: "3 3" }),
        line("survival", share, { strokeWidth: 2, marker: rows.length < 3 ? "dot" : null }),
      ]),
      tip(rows.filter((row) => row.ended), "latency_p95", (row) => [
        day(row.date), `${count(row.ended)} finished, ${count(row.still_open)} open`,
        ...SHARES.map((share) =>
          `${share}: ${seconds(row[`survival_${share}`])} (finished only: ${seconds(row[`latency_${share}`])})`)]),
    ],
  });
}

function drawInFlight(rows, quota) {
  const top = Math.max(quota ?? 0, 1, ...rows.map((row) => Math.max(row.peak, row.average)));
  const fill = "var(--quota)";
  const limit = quota == null ? [] : [
    Plot.ruleY([quota], { stroke: fill, strokeWidth: 2, strokeDasharray: "6 4" }),
    Plot.text([quota], { y: (value) => value, text: () => `quota ${count(quota)}`, frameAnchor: "right", dy: -8, fill, fontWeight: 600 }),
  ];
  return plot("in-flight", "Invocations in flight over time", {
    y: { domain: [0, top * 1.08] },
    marks: [
      Plot.areaY(rows, { x: "date", y: "average", fill: "var(--completed)", fillOpacity: .3, curve: "step-after" }),
      Plot.line(rows, { x: "date", y: "peak", stroke: "var(--completed)", strokeWidth: 1.2, curve: "step-after" }),
      ...limit,
      zeroLine(),
      tip(rows, "peak", (row) => [
        time(row.date.getTime()), `peak in flight: ${count(row.peak)}`, `average: ${row.average.toFixed(1)}`]),
    ],
  });
}
