"use strict";
// Numbers and times as text; null is a dash. A unit stays on the line of its number.

const NONE = "–";
const NUMBER = new Intl.NumberFormat("en-US"); // made once: to make one takes long

function count(value) {
  return value == null ? NONE : NUMBER.format(value + 0); // -0 is 0
}

/** 1 model, 2 models. */
function countedNoun(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function percent(share) {
  return share == null ? NONE : `${(100 * share).toFixed(1)}\u00a0%`;
}

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

/** Two units at most, the second rounded: 3 d 4 h, 8 min 9 s; below a minute to the tenth. */
function duration(value) {
  if (value == null) return NONE;
  if (value < 59.95) return `${+value.toFixed(1)}\u00a0s`;
  const first = UNITS.findIndex(([, size]) => value >= size);
  const [, least] = UNITS[Math.min(first + 1, UNITS.length - 1)];
  let rest = Math.round(value / least) * least;
  return UNITS.flatMap(([unit, size]) => {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    return amount ? [`${count(amount)}\u00a0${unit}`] : [];
  }).join(" ");
}

function time(milliseconds) {
  return milliseconds == null ? NONE
    : new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ");
}

let yearShown; // that of the newest read

/** 23 Mar 09:00, with the year where it is another than that of the newest read. */
function shortTime(milliseconds) {
  const date = new Date(milliseconds);
  return d3.utcFormat(date.getUTCFullYear() === yearShown ? "%-d %b %H:%M" : "%-d %b %Y %H:%M")(date);
}

/** from 23 Mar 09:00 to 15:00 UTC; at 23 Mar 09:00 UTC where both are one. */
function betweenTimes(begin, end) {
  const [from, until] = [begin, end].map(shortTime);
  if (from === until) return `at ${from} UTC`;
  const isOneDate = Math.floor(begin / DAY_MS) === Math.floor(end / DAY_MS);
  return `from ${from} to ${isOneDate ? until.split(" ").at(-1) : until} UTC`;
}

function label(text) {
  return text ?? "(unknown)";
}

/** A failure category in words. */
function reasonName(category) {
  return category.replaceAll("_", " ");
}

/** Text of others within a sentence of ours: whatever its direction, the rest keeps its own. */
function isolated(text) {
  return /^[ -~]*$/.test(text) ? text : `\u2068${visible(text)}\u2069`;
}

/** Escapes characters that turn the direction of text. */
function visible(text) {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
