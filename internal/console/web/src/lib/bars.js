// What happened, by time: entries of the journal and events of the stream, counted into
// three lanes.

export const lanes = ['opened', 'refused', 'touched'];

const laneOf = { grant: 'opened', refusal: 'refused', contacts: 'touched' };

export const kinds = Object.keys(laneOf);

// weigh is what an event adds to which lane; null: to none.
export function weigh(event) {
  const lane = laneOf[event.kind];
  return lane ? { time: Date.parse(event.time), lane, count: event.packets || 1, reason: event.kind === 'refusal' ? event.reason || '' : '' } : null;
}

const kept = 300; // seconds
const mostReasons = 64; // of a second; the set of reasons is closed, and smaller

// Live counts what has come lately by the second, in bounded memory.
export class Live {
  constructor() {
    this.seconds = new Map();
  }

  add(event) {
    const w = weigh(event);
    if (!w || !(w.time > 0)) return;
    const second = Math.floor(w.time / 1000);
    let s = this.seconds.get(second);
    if (!s) {
      this.seconds.set(second, (s = new Map()));
      if (this.seconds.size > kept) this.seconds.delete(Math.min(...this.seconds.keys()));
    }
    const key = `${w.lane} ${w.reason}`;
    if (s.has(key) || s.size < mostReasons) s.set(key, (s.get(key) || 0) + w.count);
  }

  // since returns what came in seconds that began at a time or later.
  since(ms) {
    const list = [];
    for (const [second, counts] of this.seconds) {
      if (second * 1000 < ms) continue;
      for (const [key, count] of counts) {
        const [lane, reason] = key.split(' ');
        list.push({ time: second * 1000, lane, reason, count });
      }
    }
    return list;
  }
}

// chart sorts weights into bars from since on, each so many ms wide.
export function chart(weights, since, width, n) {
  const out = { since, width, n, reasons: {} };
  for (const lane of lanes) out[lane] = { bars: new Array(n).fill(0), total: 0, most: 0 };
  for (const w of weights) {
    const i = Math.floor((w.time - since) / width);
    if (i < 0 || i >= n) continue;
    const lane = out[w.lane];
    lane.total += w.count;
    lane.most = Math.max(lane.most, (lane.bars[i] += w.count));
    if (w.reason) out.reasons[w.reason] = (out.reasons[w.reason] || 0) + w.count;
  }
  return out;
}

// spans are the lengths that can be looked at, in seconds, with how long a bar is.
export const spans = [[900, 15], [3600, 60], [21600, 360], [86400, 1440], [604800, 10080]];

// windowOf is a span up to a time, on whole bars, so that bars do not change what they
// count while time goes on.
export function windowOf([length, bar], until) {
  const width = bar * 1000, n = length / bar;
  const end = (Math.floor(until / width) + 1) * width;
  return { since: end - n * width, until: end, width, n };
}
