// The deciding parts of the page, without a browser: npm test.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chart, Live, weigh, windowOf } from '../src/lib/bars.js';
import { Events, notices } from '../src/lib/events.js';
import { inert } from '../src/lib/inert.js';
import { bytes, text } from '../src/lib/passkey.js';
import { joined } from '../src/lib/past.js';
import { Ring } from '../src/lib/ring.js';
import { current, from, offers, rate, summary, toLoad } from '../src/lib/state.js';
import { left, seconds, span, utc } from '../src/lib/time.js';

test('text of others is one line, with nothing in it that cannot be seen', () => {
  assert.equal(inert('alice'), 'alice');
  assert.equal(inert('佐藤 é 😀'), '佐藤 é 😀');
  assert.equal(inert('\u202egpj.exe\n\x1b[31m\u200b\ufeff'), '\\u{202e}gpj.exe\\u{a}\\u{1b}[31m\\u{200b}\\u{feff}');
  assert.equal(inert('\ud800'), '\\u{d800}');
  assert.equal(inert(null), '');
  assert.ok(inert('x'.repeat(1e6)).length < 500);
  assert.ok(!inert('😀'.repeat(1000)).includes('\\u{d83d}'), 'cut within a character');
});

test('durations and times', () => {
  for (const [in_, want] of [['30s', 30], ['1h30m0s', 5400], ['1.5s', 1.5], ['250ms', 0.25], ['', NaN], ['5', NaN], ['5x', NaN], ['1m1', NaN]]) assert.equal(seconds(in_), want, in_);
  assert.equal(left(1000 * 42, 0), '0:42');
  assert.equal(left(41_001, 0), '0:42', 'it is over when nothing is left, not before');
  assert.equal(left(3_723_000, 0), '1:02:03');
  assert.equal(left(90_061_000, 0), '1d 1:01:01');
  assert.equal(left(0, 5000), '0:00');
  assert.deepEqual(span(59), ['second', 59]);
  assert.deepEqual(span(60), ['minute', 1]);
  assert.deepEqual(span(86400 * 12), ['day', 12]);
  assert.equal(utc(0), '1970-01-01 00:00:00 UTC');
});

test('a ring keeps the latest', () => {
  const r = new Ring(3);
  for (let i = 0; i < 10; i++) r.push(i);
  assert.deepEqual(r.latest(5), [9, 8, 7]);
  assert.deepEqual(r.latest(5, (i) => i % 2), [9, 7]);
  assert.equal(r.length, 3);
  assert.deepEqual(new Ring(3).latest(2), []);
});

test('notices out of pieces of a stream', () => {
  const e = new Events(), whole = 'id: a-1\ndata: {"id":"a-1","missed":2}\n\n:\n\nid: a-2\ndata: {"id":"a-2"}\n\n';
  const list = [];
  for (const c of whole) list.push(...e.feed(c));
  assert.equal(list.length, 3);
  assert.deepEqual(notices(list), [{ id: 'a-1', missed: 2 }, { id: 'a-2' }]);
  assert.throws(() => new Events().feed('x'.repeat(2 << 20)), /without an end/);
});

test('bars count what belongs to them', () => {
  const t0 = Date.UTC(2026, 0, 1);
  const w = [
    { kind: 'grant', time: new Date(t0).toISOString() },
    { kind: 'refusal', reason: 'replay', time: new Date(t0 + 59_999).toISOString() },
    { kind: 'contacts', packets: 70, time: new Date(t0 + 60_000).toISOString() },
    { kind: 'start', time: new Date(t0).toISOString() },
  ].map(weigh).filter(Boolean);
  const c = chart(w, t0, 60_000, 2);
  assert.deepEqual([c.opened.bars, c.refused.bars, c.touched.bars], [[1, 0], [1, 0], [0, 70]]);
  assert.deepEqual(c.reasons, { replay: 1 });
  assert.equal(chart(w, t0 + 60_000, 60_000, 2).opened.total, 0);
});

test('a window ends on whole bars, and holds the present', () => {
  const { since, until, n, width } = windowOf([3600, 60], 1_000_000_000_123);
  assert.equal((until - since) / width, n);
  assert.ok(until > 1_000_000_000_123 && until - 1_000_000_000_123 <= width && until % width === 0);
});

test('what is live is bounded, by the second, and joins the journal once', () => {
  const live = new Live(), t0 = 1_700_000_000_000;
  for (let s = 0; s < 1000; s++) for (let i = 0; i < 200; i++) live.add({ kind: 'refusal', reason: `r${i}`, time: new Date(t0 + s * 1000).toISOString() });
  assert.equal(live.seconds.size, 300);
  assert.ok([...live.seconds.values()].every((s) => s.size <= 64));
  live.add({ kind: 'grant', time: 'nonsense' });
  const cut = t0 + 998_000;
  const all = joined([{ time: cut - 1, lane: 'opened', count: 1 }, { time: cut, lane: 'opened', count: 9 }], live, cut);
  assert.equal(all.filter((w) => w.lane === 'opened').length, 1, 'what the journal has after the cut is in the stream, too');
});

test('the first sentence is the worst that is known', () => {
  const now = Date.UTC(2026, 0, 1), soon = new Date(now + 60_000).toISOString(), over = new Date(now - 1).toISOString();
  const status = (more) => ({ doors: [{}, {}], grants: [], problems: [], ...more });
  const says = (link, s) => summary({ link, status: s, now });
  assert.equal(says('away', status()).key, 'state.away');
  assert.equal(says('daemon', status()).key, 'state.daemon');
  assert.equal(says('live', undefined).key, 'state.asking');
  assert.equal(says('live', status({ trial: soon, problems: ['x'] })).key, 'state.trial');
  assert.equal(says('live', status({ trial: over })).key, 'state.closed');
  assert.equal(says('live', status({ problems: ['x'] })).key, 'state.problems');
  assert.equal(says('live', status({ doors: [] })).key, 'state.nothing');
  assert.deepEqual(says('live', status()), { tone: 'good', key: 'state.closed', values: { doors: 2 } });
  const grants = [{ door: 'a', source: '192.0.2.1', until: soon }, { door: 'b', source: '192.0.2.1', until: soon }, { door: 'b', source: '192.0.2.2', until: over }];
  assert.deepEqual(says('live', status({ grants })).values, { doors: 2, open: 2, n: 1 });
});

test('grants, rates and offers', () => {
  const now = 1000, g = (until) => ({ until: new Date(until).toISOString() });
  assert.deepEqual(current([g(5000), g(500), g(2000)], now), [g(2000), g(5000)]);
  assert.equal(from({ source: '192.0.2.1', prefix: 24 }), '192.0.2.1/24');
  assert.equal(from({ source: '192.0.2.1' }), '192.0.2.1');
  const a = { at: 0, started: 'x', dropped: 10 };
  assert.equal(rate(a, { at: 5000, started: 'x', dropped: 60 }), 10);
  assert.equal(rate(a, { at: 5000, started: 'x', dropped: 5 }), null, 'the table is another');
  assert.equal(rate(a, { at: 5000, started: 'y', dropped: 60 }), null, 'the daemon is another');
  assert.deepEqual(offers(90, false), [30, 60, 90]);
  assert.ok(offers(90, true).includes(3600));
});

test('what is asked for again', () => {
  assert.deepEqual([...toLoad({ changes: ['bans', 'new'] })], ['bans']);
  assert.deepEqual([...toLoad({ event: {} })], []);
  assert.ok(toLoad({ restarted: true }).has('asks'));
});

test('base64url both ways', () => {
  const b = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(bytes(text(b)), b);
  assert.ok(!/[+/=]/.test(text(b)));
});
