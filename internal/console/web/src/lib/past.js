// What the journal has of a time, page by page from the newest back, as weights for the bars.
import { call, query } from './api.js';
import { kinds, weigh } from './bars.js';

const page = 1000, most = 6; // pages: a day of a gate that is left in peace

// past returns the weights since a time until another, and from when on they are
// complete; 0 if they all are.
export async function past(since, until) {
  const weights = [], seen = new Set();
  let end = until;
  for (let n = 0; n < most; n++) {
    const { entries } = await call('GET', query('/v1/journal', { since: new Date(since).toISOString(), until: new Date(end).toISOString(), kind: kinds.join(','), limit: String(page) }));
    for (const e of entries) {
      if (seen.has(e.id)) continue;
      seen.add(e.id);
      const w = weigh(e);
      if (w) weights.push(w);
    }
    if (entries.length < page) return { weights, complete: 0 };
    end = Date.parse(entries[0].time) + 1; // others may be of the same moment
  }
  return { weights, complete: end };
}

// joined is the journal up to a time, and what has come since: what has happened lately
// may not have been written yet, and refusals are summed up by the minute.
export function joined(weights, live, cut) {
  return [...weights.filter((w) => w.time < cut), ...live.since(cut)];
}
