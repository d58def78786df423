"use strict";
// The page: what is chosen, and drawing it.

(async () => {
  const data = await readData();
  data.causes = causesOf(data);
  yearShown = new Date(data.as_of_ms).getUTCFullYear();
  const dimensions = [...DIMENSIONS.map((name) => [name, data[`${name}s`].map(label)]),
    ["cause", data.causes.map((each) => `${each.kind}: ${reasonName(each.name)}`)]];
  const linked = new Map([...DIMENSIONS.map((name) => [name, data[`${name}s`].map((each) => each ?? "")]),
    ["cause", data.causes.map((each) => `${each.kind}:${each.name}`)]]);
  const wholePeriod = data.periods.at(-1);
  const selection = { account: ALL, region: ALL, model: ALL, cause: ALL, period: wholePeriod, by: BREAKDOWNS[0].name };
  let shown; // the span and the figures that are drawn

  /** A link names options by their labels, so that it means the same in tomorrow's page. */
  function readHash() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const [name, labels] of linked) selection[name] = labels.indexOf(chosen.get(name));
    selection.by = BREAKDOWNS.find((each) => each.name === chosen.get("by"))?.name ?? BREAKDOWNS[0].name;
    selection.period = data.periods.find((each) => `${each.days}d` === chosen.get("period")) ?? wholePeriod;
  }

  function writeHash() {
    const chosen = new URLSearchParams();
    for (const [name, labels] of linked) {
      if (selection[name] !== ALL) chosen.set(name, labels[selection[name]]);
    }
    if (selection.by !== BREAKDOWNS[0].name) chosen.set("by", selection.by);
    if (selection.period !== wholePeriod) chosen.set("period", `${selection.period.days}d`);
    const hash = chosen.size ? `#${chosen}` : "";
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname + location.search);
  }

  function choose(choice) {
    Object.assign(selection, choice);
    writeHash();
    if ("by" in choice) drawBy();
    else draw();
  }

  function fillControls() {
    for (const [name, labels] of dimensions) {
      const select = document.getElementById(name);
      const isOnly = labels.length === 1 && name !== "cause";
      const all = name === "cause" ? "All causes" : `All ${count(labels.length)} ${name}s`;
      const every = isOnly ? [] : [element("option", { value: ALL }, all)];
      select.append(...every, ...labels.map((each, key) => element("option", { value: key }, each)));
      select.disabled = labels.length < 2;
      select.addEventListener("change", () => choose({ [name]: Number(select.value) }));
    }
    document.getElementById("period").append(...data.periods.map((each) => {
      const input = element("input", { type: "radio", name: "period", value: each.days });
      input.addEventListener("change", () => choose({ period: each }));
      return element("label", {}, input, each.days === 1 ? "24 h" : `${each.days} d`);
    }));
  }

  function describe() {
    const chosen = dimensions.map(([name, labels]) => {
      if (name !== "cause" && labels.length === 1) return isolated(labels[0]);
      return selection[name] === ALL ? (name === "cause" ? null : `all ${name}s`) : isolated(labels[selection[name]]);
    }).filter(Boolean);
    const { days, has_previous } = selection.period;
    const until = `${days === 1 ? "24 hours" : `${days} days`} to ${time(data.as_of_ms)} UTC`;
    return `${chosen.join(" · ")} · ${until}${has_previous ? ", compared with the period before" : "; not compared, as the period before is not loaded whole"}`;
  }

  /** Draws, and focuses the new version of the part that had the focus. */
  function keepingFocus(drawParts) {
    const focused = document.activeElement?.id;
    drawParts();
    if (focused) (document.getElementById(focused) ?? document.getElementById("selection")).focus({ preventScroll: true });
  }

  function draw() {
    keepingFocus(drawAll);
  }

  function drawBy() {
    keepingFocus(() => drawBreakdown(data, selection, breakdown(data, selection, shown.span, shown.ofLeaves), choose));
  }

  function drawAll() {
    for (const [name, labels] of dimensions) {
      document.getElementById(name).value = name !== "cause" && labels.length === 1 ? 0 : selection[name];
    }
    document.querySelector(`#period input[value="${selection.period.days}"]`).checked = true;
    document.getElementById("selection").textContent = describe();
    const span = spanOf(data, selection.period);
    const { steps, whole } = outcomes(data, selection, span);
    const drawn = {
      steps, step_ms: span.step_ms, incidents: incidents(data, selection),
      width: Math.max(260, document.getElementById("volume").clientWidth - 34),
    };
    const ofLeaves = outcomesOfLeaves(data, selection, span);
    shown = { span, ofLeaves, now: headline(data, selection, whole) };
    drawHeadline(data, shown.now);
    const flights = inFlight(data, selection, span);
    // They take longest, and the rest need not wait for them.
    afterPaint(() => keepingFocus(() => drawFindings(findings(data, selection, span, flights, ofLeaves), choose)));
    drawIncidents(data, drawn.incidents);
    drawOutcomes(drawn, whole.byFault.map((each) => each.fault), data.causes[selection.cause]);
    drawLatencies(drawn);
    drawFlights(data, drawn, flights);
    drawBreakdown(data, selection, breakdown(data, selection, span, ofLeaves), choose);
    drawOpen(data, selection);
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    document.getElementById("theme").textContent = theme === "dark" ? "Light theme" : "Dark theme";
  }

  function followTheme() {
    const prefersDark = matchMedia("(prefers-color-scheme: dark)");
    setTheme(prefersDark.matches ? "dark" : "light");
    prefersDark.addEventListener("change", () => setTheme(prefersDark.matches ? "dark" : "light"));
    document.getElementById("theme").addEventListener("click", () =>
      setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  }

  function followWidth() {
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return; // phones resize as their address bar hides
      width = innerWidth;
      draw();
    });
  }

  function showNothing() {
    const nothing = document.getElementById("nothing");
    nothing.hidden = false;
    if (data.first_ms != null) {
      nothing.textContent = `No invocation was submitted in the ${2 * wholePeriod.days} days to ${time(data.as_of_ms)} UTC. There are older ones: ask \`report\` for a longer --period.`;
    }
    for (const section of document.querySelectorAll("#headline, .chart, #findings, #incidents, #in-flight, #breakdown, #open")) {
      section.hidden = true;
    }
    document.getElementById("controls").hidden = true;
    drawFreshness(data);
  }

  followTheme();
  document.getElementById("subtitle").textContent = [
    ...(data.destination ? [isolated(data.destination)] : []), `data up to ${time(data.as_of_ms)} UTC`,
  ].join(" · ");
  document.getElementById("footer").textContent = `Made by bedrock-async-etl ${data.version} on ${time(data.made_ms)} UTC.`
    + (data.is_redacted ? " Redacted: the destination, account ids, messages, outputs and ARNs are left out." : "");
  if (!data.models.length) {
    showNothing();
    return;
  }
  fillControls();
  readHash();
  addEventListener("popstate", () => { readHash(); draw(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) drawHeadline(data, shown.now); // its age has grown
  });
  followWidth();
  drawFreshness(data);
  draw();
})();
