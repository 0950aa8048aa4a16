// Says things in the language of the reader. {x} is replaced by a value, and {n|one|many}
// by what goes with a number.
import { texts } from './texts.js';
import { store, stored } from './theme.js';
import { span } from './time.js';

const languages = Object.keys(texts);

let chosen = languages.includes(stored('language')) ? stored('language') : String(globalThis.navigator?.language).startsWith('ja') ? 'ja' : 'en';

export const language = () => chosen;

export function speak(l) {
  chosen = l;
  store('language', l);
}

export function say(key, values = {}) {
  return texts[chosen][key].replace(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (_, name, one, many) => (one === undefined ? shown(values[name]) : values[name] === 1 ? one : many));
}

say.has = (key) => Object.hasOwn(texts[chosen], key);

const shown = (value) => (typeof value === 'number' ? (value > 1e11 ? shownTime(value) : number(value)) : String(value ?? ''));

const formats = new Map();

function format(Kind, options) {
  const key = `${Kind.name} ${chosen} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Kind(chosen === 'en' ? 'en-GB' : chosen, options));
  return formats.get(key);
}

export const number = (n) => format(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(n);

const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
const day = { day: 'numeric', month: 'short', weekday: 'short' };

// shownTime is a time here: today by the clock, else with its day.
export function shownTime(ms, full = false) {
  if (!(ms > 0)) return '–';
  const date = new Date(ms), now = new Date();
  if (!full && date.toDateString() === now.toDateString()) return format(Intl.DateTimeFormat, clock).format(date);
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' };
  return format(Intl.DateTimeFormat, { ...day, ...year, ...clock }).format(date);
}

// shownDate is a day.
export const shownDate = (ms) => format(Intl.DateTimeFormat, { dateStyle: 'medium' }).format(new Date(ms));

// spanText is a length of time, roughly.
export function spanText(seconds) {
  const [unit, n] = span(seconds);
  return say(`unit.${unit}`, { n });
}

// durationText is a length of time as it is.
export function durationText(s) {
  if (!(s > 0)) return '–';
  const parts = [];
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]]) {
    const n = Math.floor(s / size);
    if (n > 0) parts.push(say(`unit.${unit}`, { n }));
    s -= n * size;
  }
  return parts.join(' ') || say('unit.second', { n: s });
}
