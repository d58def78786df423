"use strict";
// The charts. Colours are CSS variables, so that themes and print change them without redrawing.

const HEIGHT = 230;

function plot(id, ariaLabel, options) {
  const width = document.getElementById(id).clientWidth - 34;
  return Plot.plot({
    width: Math.max(width, 260), height: HEIGHT, marginLeft: 48, marginRight: 14, ariaLabel,
    style: { background: "none", fontSize: "11px", fontFamily: "inherit" },
    ...options,
    x: { type: "utc", label: null, ...options.x },
  });
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

function tip(rows, y, title) {
  return Plot.tip(rows, Plot.pointerX({
    x: "date", y, title, fill: "var(--card)", stroke: "var(--line)", textPadding: 8,
  }));
}

function drawFailureRate(rows, spiked) {
  const ended = rows.filter((row) => row.rate != null);
  const top = Math.min(1, Math.max(.01, ...ended.map((row) => row.high)) * 1.1);
  return plot("failure-rate", "Failure rate by date of submission, with its 95 % interval", {
    y: { label: null, domain: [0, top], tickFormat: (share) => `${+(100 * share).toFixed(2)} %`, grid: true, ticks: 5 },
    marks: [
      Plot.areaY(rows, { x: "date", y1: "low", y2: "high", fill: "var(--band)", defined: (row) => row.rate != null }),
      Plot.line(rows, { x: "date", y: "rate", stroke: "var(--failed)", strokeWidth: 2, defined: (row) => row.rate != null }),
      Plot.dot(ended, { x: "date", y: "rate", r: 3, stroke: "var(--failed)", strokeWidth: 1.5,
        fill: (row) => (row.isSettled ? "var(--failed)" : "var(--card)") }),
      Plot.dot(spiked, { x: "date", y: top, r: 5, symbol: "triangle", rotate: 180, fill: "var(--p99)",
        title: (row) => `${time(row.submitted_ms)}: ${percent(row.rate)}, usually ${percent(row.baseline_rate)}` }),
      Plot.ruleY([0], { stroke: "var(--line)" }),
      tip(ended, "rate", (row) => [
        day(row.date), `${percent(row.rate)} failed (${percent(row.low)} to ${percent(row.high)})`,
        `${count(row.failed)} of ${count(row.completed + row.failed)} that have ended`,
        row.isSettled ? "" : `${count(row.open)} still open`].filter(Boolean).join("\n")),
    ],
  });
}

function drawVolume(rows) {
  const parts = rows.flatMap((row) => ["completed", "failed", "open"].map(
    (kind) => ({ date: row.date, kind, value: row[kind] })));
  return plot("volume", "Invocations by date of submission: completed, failed, open", {
    color: { domain: ["completed", "failed", "open"], range: ["var(--completed)", "var(--failed)", "var(--open)"] },
    y: { label: null, grid: true, ticks: 5, tickFormat: "~s" },
    marks: [
      Plot.rectY(parts, { x: "date", y: "value", fill: "kind", interval: "day", insetLeft: .5, insetRight: .5 }),
      Plot.ruleY([0], { stroke: "var(--line)" }),
      tip(rows, "invocations", (row) => [
        day(row.date), `${count(row.completed)} completed`, `${count(row.failed)} failed`,
        `${count(row.open)} open`].join("\n")),
    ],
  });
}

function drawLatency(rows) {
  const marks = ["p50", "p95", "p99"].flatMap((share) => [
    Plot.line(rows, { x: "date", y: `latency_${share}`, stroke: `var(--${share})`, strokeWidth: 1.5, strokeDasharray: "3 3" }),
    Plot.line(rows, { x: "date", y: `survival_${share}`, stroke: `var(--${share})`, strokeWidth: 2, marker: rows.length < 3 ? "dot" : null }),
  ]);
  const ended = rows.filter((row) => row.ended);
  return plot("latency", "Latency percentiles by date of submission, in seconds", {
    y: { type: "log", label: "seconds", grid: true, ticks: 5, tickFormat: (value) => count(value) },
    marks: [
      ...marks,
      tip(ended, "latency_p95", (row) => [
        day(row.date), `${count(row.ended)} ended, ${count(row.still_open)} open`,
        ...["p50", "p95", "p99"].map((share) =>
          `${share}: ${seconds(row[`survival_${share}`])} (ended alone: ${seconds(row[`latency_${share}`])})`),
      ].join("\n")),
    ],
  });
}

function drawInFlight(rows, quota) {
  return plot("in-flight", "Invocations in flight over time", {
    y: { label: null, grid: true, ticks: 5, domain: [0, Math.max(quota ?? 0, 1, ...rows.map((row) => Math.max(row.peak, row.average))) * 1.08] },
    marks: [
      Plot.areaY(rows, { x: "date", y: "average", fill: "var(--completed)", fillOpacity: .3, curve: "step-after" }),
      Plot.line(rows, { x: "date", y: "peak", stroke: "var(--completed)", strokeWidth: 1.2, curve: "step-after" }),
      quota == null ? null : Plot.ruleY([quota], { stroke: "var(--quota)", strokeWidth: 2, strokeDasharray: "6 4" }),
      quota == null ? null : Plot.text([quota], { y: (value) => value, text: () => `quota ${count(quota)}`, frameAnchor: "right", dy: -8, fill: "var(--quota)", fontWeight: 600 }),
      Plot.ruleY([0], { stroke: "var(--line)" }),
      tip(rows, "peak", (row) => [
        time(row.date.getTime()), `most at once: ${count(row.peak)}`,
        `on average: ${row.average.toFixed(1)}`].join("\n")),
    ],
  });
}
