"use strict";
// The page: what is chosen, and drawing it.

(() => {
  const data = readData(document.getElementById("data").textContent);
  const dimensions = DIMENSIONS.map((name) => [name, data[`${name}s`]]);
  const wholePeriod = data.periods.at(-1);
  const selection = { account: ALL, region: ALL, model: ALL, period: wholePeriod };

  /** A link names options by their labels, so that it means the same in tomorrow's page. */
  function readHash() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const [name, labels] of dimensions) {
      selection[name] = labels.findIndex((each) => label(each) === chosen.get(name));
    }
    selection.period = data.periods.find((each) => `${each.days}d` === chosen.get("period")) ?? wholePeriod;
  }

  function writeHash() {
    const chosen = new URLSearchParams();
    for (const [name, labels] of dimensions) {
      if (selection[name] !== ALL) chosen.set(name, label(labels[selection[name]]));
    }
    if (selection.period !== wholePeriod) chosen.set("period", `${selection.period.days}d`);
    const hash = chosen.size ? `#${chosen}` : "";
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname + location.search);
  }

  function choose(name, value) {
    selection[name] = value;
    writeHash();
    draw();
  }

  function fillControls() {
    for (const [name, labels] of dimensions) {
      const select = document.getElementById(name);
      const every = labels.length === 1 ? [] : [element("option", { value: ALL }, `All ${count(labels.length)} ${name}s`)];
      select.append(...every, ...labels.map((each, key) => element("option", { value: key }, label(each))));
      select.disabled = labels.length < 2;
      select.addEventListener("change", () => choose(name, Number(select.value)));
    }
    document.getElementById("period").append(...data.periods.map((each) => {
      const input = element("input", { type: "radio", name: "period", value: each.cohort });
      input.addEventListener("change", () => choose("period", each));
      return element("label", {}, input, each.days === 1 ? "24 h" : `${each.days} d`);
    }));
  }

  function describe() {
    const chosen = dimensions.map(([name, labels]) => {
      if (labels.length === 1) return isolated(label(labels[0]));
      return selection[name] === ALL ? `all ${name}s` : isolated(label(labels[selection[name]]));
    });
    const { days, has_previous } = selection.period;
    const until = `${days === 1 ? "24 hours" : `${days} days`} to ${time(data.as_of_ms)} UTC`;
    return `${chosen.join(" · ")} · ${until}${has_previous ? ", compared with the period before" : "; no earlier data to compare with"}`;
  }

  function draw() {
    for (const [name, labels] of dimensions) {
      document.getElementById(name).value = labels.length === 1 ? 0 : selection[name];
    }
    document.querySelector(`#period input[value="${selection.period.cohort}"]`).checked = true;
    document.getElementById("selection").textContent = describe();
    const focused = document.activeElement?.id;
    const sections = [drawHeadline, drawFailures, drawLatencies, drawFlights, drawModels,
      drawReasons, drawIncidents, drawOpen, drawFreshness];
    for (const section of sections) section(data, selection, choose);
    if (focused) document.getElementById(focused)?.focus();
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
    document.getElementById("nothing").hidden = false;
    for (const section of document.querySelectorAll("#headline, .chart, #models, #reasons, #incidents, #open")) {
      section.hidden = true;
    }
    document.getElementById("controls").hidden = true;
    drawFreshness(data);
  }

  followTheme();
  document.getElementById("subtitle").textContent = [
    ...(data.destination ? [isolated(data.destination)] : []), `fresh as of ${time(data.as_of_ms)} UTC`,
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
    if (!document.hidden) drawHeadline(data, selection); // its age has grown
  });
  followWidth();
  draw();
})();
