// Times as the API writes them (RFC 3339, durations of Go), and as people read them.

const units = { h: 3600, m: 60, s: 1, ms: 1e-3, 'µs': 1e-6, us: 1e-6, ns: 1e-9 };

// seconds reads a duration such as "1h30m0s"; NaN for what is none.
export function seconds(text) {
  const parts = [...String(text ?? '').matchAll(/(\d+(?:\.\d+)?)(h|ms|µs|us|ns|m|s)/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) return NaN;
  return parts.reduce((sum, [, n, unit]) => sum + n * units[unit], 0);
}

const two = (n) => String(n).padStart(2, '0');

// left is a time to come as 0:42, 1:02:03 or 3d 1:02:03.
export function left(until, now) {
  const s = Math.max(0, Math.ceil((until - now) / 1000));
  const days = Math.floor(s / 86400), hours = Math.floor(s / 3600) % 24, minutes = Math.floor(s / 60) % 60;
  const clock = `${days || hours ? `${hours}:${two(minutes)}` : minutes}:${two(s % 60)}`;
  return days ? `${days}d ${clock}` : clock;
}

// span splits a number of seconds into the largest unit that says it: 90 is 2 minutes.
export function span(s) {
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (s >= size * 1.5 || s === size) return [unit, Math.round(s / size)];
  }
  return ['second', Math.round(s)];
}

// utc is a time for a tooltip.
export const utc = (ms) => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

// at reads a time of the API; NaN for none.
export const at = (text) => (text ? Date.parse(text) : NaN);
