"use strict";
// Numbers and times as text; null is a dash. A unit stays on the line of its number.

const NONE = "–";

function count(value) {
  return value == null ? NONE : value.toLocaleString("en-US");
}

/** 1 model, 2 models. */
function countedNoun(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function percent(share) {
  return share == null ? NONE : `${(100 * share).toFixed(1)}\u00a0%`;
}

function seconds(value) {
  if (value == null) return NONE;
  const digits = Math.abs(value) < 10_000 ? 1 : 0;
  return `${value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}\u00a0s`;
}

/** Two units at most: 3 d 4 h. */
function duration(value) {
  if (value == null) return NONE;
  const parts = [];
  let rest = Math.round(value);
  for (const [unit, size] of [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]]) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount || (unit === "s" && !parts.length)) parts.push(`${amount} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

function time(milliseconds) {
  return milliseconds == null ? NONE
    : new Date(milliseconds).toISOString().slice(0, 16).replace("T", " ");
}

function day(date) {
  return date.toISOString().slice(0, 10);
}

function label(text) {
  return text ?? "(unknown)";
}

/** Text of others within a sentence of ours: whatever its direction, the rest keeps its own. */
function isolated(text) {
  return /^[ -~]*$/.test(text) ? text : `\u2068${visible(text)}\u2069`;
}

/** Characters that turn the direction of text are shown as what they are, and turn nothing. */
function visible(text) {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
