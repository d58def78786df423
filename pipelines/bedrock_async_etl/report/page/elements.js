"use strict";
// Makes elements. All text is set as text: what came from AWS is never read as markup.

/** An element; attributes that are null are left out, children are elements or text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null).map(
    (child) => (typeof child === "string" ? visible(child) : child)));
  return made;
}

/** A button that puts a text into the clipboard. */
function copyButton(text, what) {
  const button = element("button", { type: "button", class: "copy" });
  const say = (done) => {
    button.textContent = done;
    button.setAttribute("aria-label", `${done} ${what}`);
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // browsers have no clipboard for a page that came over http
      const area = element("textarea", {}, "");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    say("copied");
    setTimeout(() => say("copy"), 1500);
  });
  say("copy");
  return button;
}

const ROWS_SHOWN = 200; // of a table, until more are asked for
const SORTED = new Map(); // by the caption of a table: the column and order that were chosen

/**
 * A table that scrolls by itself. A column is { name, of, kind, by }: `of` makes text or an element of
 * a row, `kind` is the class of its cells, and `by` what the rows are sorted by when it is pressed.
 */
function table(caption, columns, rows) {
  const body = element("tbody");
  const rest = element("button", { type: "button" }, `Show all ${count(rows.length)} rows`);
  const fill = (limit) => {
    const { name, order } = SORTED.get(caption) ?? {};
    const by = columns.find((column) => column.name === name)?.by;
    const sorted = by ? d3.sort(rows, (a, b) => d3[order](by(a), by(b))) : rows;
    body.replaceChildren(...sorted.slice(0, limit).map((row) => element("tr", {}, ...columns.map(
      (column) => element("td", { class: column.kind, "data-label": column.name }, column.of(row))))));
    rest.hidden = rows.length <= limit;
  };
  const heading = ({ name, kind, by }) => {
    if (!by) return element("th", { scope: "col", class: kind }, name);
    const button = element("button", { type: "button", id: `sort-${caption}-${name}` }, name);
    const known = SORTED.get(caption);
    const cell = element("th", { scope: "col", class: kind, "aria-sort": known?.name === name ? known.order : null }, button);
    button.addEventListener("click", () => {
      const order = cell.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
      SORTED.set(caption, { name, order });
      for (const each of cell.parentNode.children) each.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", order);
      fill(ROWS_SHOWN);
    });
    return cell;
  };
  rest.addEventListener("click", () => fill(Infinity));
  fill(ROWS_SHOWN);
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element("table", {}, element("thead", {}, element("tr", {}, ...columns.map(heading))), body), rest);
}

/** Runs a task once the drawing is shown, one task after the other. */
function afterPaint(task) {
  requestAnimationFrame(() => setTimeout(task));
}

/** Replaces what a section shows. */
function show(id, heading, note, ...children) {
  const section = document.getElementById(id);
  const wasOpen = section.querySelector("details")?.open;
  section.replaceChildren(
    element("h2", {}, heading), note ? element("p", {}, note) : "", ...children);
  if (wasOpen) section.querySelector("details")?.setAttribute("open", "");
}

/** The numbers behind a chart, as a table that is made when it is opened. */
function numbers(caption, columns, rows) {
  const details = element("details", {}, element("summary", {}, "Show the numbers"));
  details.addEventListener(
    "toggle", () => details.append(table(caption, columns, rows)), { once: true });
  return details;
}
