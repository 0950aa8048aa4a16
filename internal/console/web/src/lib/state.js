// What the first sentence of the page says: the worst that is known.

// summary returns a key of the texts with its values, and how grave it is:
// "good", "open", "warn" or "bad".
export function summary({ link, status, now }) {
  if (link === 'away') return { tone: 'bad', key: 'state.away' };
  if (link === 'daemon') return { tone: 'bad', key: 'state.daemon' };
  if (!status) return { tone: 'warn', key: 'state.asking' };
  const doors = status.doors.length;
  const trial = Date.parse(status.trial ?? '');
  if (trial > now) return { tone: 'warn', key: 'state.trial', values: { until: trial } };
  if (status.problems.length > 0) return { tone: 'warn', key: 'state.problems', values: { n: status.problems.length, doors } };
  if (doors === 0) return { tone: 'warn', key: 'state.nothing' };
  const grants = current(status.grants, now);
  if (grants.length === 0) return { tone: 'good', key: 'state.closed', values: { doors } };
  return { tone: 'open', key: 'state.open', values: { doors, open: new Set(grants.map((g) => g.door)).size, n: new Set(grants.map((g) => from(g))).size } };
}

// current are the grants that are not over, the first to end first.
export const current = (grants, now) => grants.filter((g) => Date.parse(g.until) > now).sort((a, b) => Date.parse(a.until) - Date.parse(b.until));

// from is whom a grant lets in.
export const from = (g) => (g.prefix ? `${g.source}/${g.prefix}` : g.source);

// addressOf is an address of a prefix: bans are given and lifted by one.
export const addressOf = (source) => source.split('/')[0];

// rate is how much was dropped a second between two answers; null if that is not known.
export function rate(before, after) {
  const s = (after.at - before.at) / 1000;
  if (s <= 0 || before.started !== after.started || after.dropped < before.dropped) return null;
  return (after.dropped - before.dropped) / s;
}

// junk is what of a status counts as junk: packets to closed ports, and what the
// moat has dropped before the kernel saw it.
export const junk = (status) => status.dropped + Object.values(status.moat?.dropped ?? {}).reduce((a, b) => a + b, 0);

// offers are how long an operator may open a door, in seconds: up to open_for unless he
// has the right admin.
export function offers(openFor, admin) {
  const list = [30, 60, 300, 600, 900, 1800, 3600, 14400, 28800, 86400].filter((s) => s < openFor || (admin && s !== openFor));
  return [...list, openFor].sort((a, b) => a - b);
}

// toLoad are the answers that are to be asked for again after notices.
const answers = { grants: ['status', 'doors', 'clients'], bans: ['bans'], findings: ['findings'], configuration: ['status', 'doors', 'clients', 'keys', 'lint'], problems: ['status'], asks: ['asks'] };

export function toLoad(notice) {
  if (notice.restarted) return new Set(Object.values(answers).flat());
  return new Set((notice.changes ?? []).flatMap((c) => answers[c] ?? []));
}
