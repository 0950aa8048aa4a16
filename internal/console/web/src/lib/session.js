// Logging in and out, and what goes on in between.
import { call, leave, query, recall, remember, watchUse } from './api.js';
import { again, changed, tick } from './load.js';
import { get, reset, set } from './store.js';
import { follow } from './stream.js';

// start takes the link of a login, or the session of before.
export async function start() {
  const link = /^#login=([\w.~-]+)$/.exec(location.hash)?.[1];
  if (link) history.replaceState(null, '', location.pathname); // it is spent, and belongs in no history
  const known = recall();
  try {
    enter(await (link ? call('POST', '/session', { link }) : call('GET', '/session')));
  } catch (failure) {
    if (!link && failure.status === 0) {
      setTimeout(start, 3000);
      set({ link: 'away' });
      return;
    }
    leave(link || known || failure.status !== 401 ? failure : null, failure.ways);
    if (failure.status === 409) set({ offered: link }); // it is not spent
  }
}

let stop = null;

// enter begins a session.
export function enter(session) {
  if (session.session) remember(session.session);
  reset({ phase: 'in', session, since: Date.now() });
  stop?.abort();
  stop = new AbortController();
  follow(took, stop.signal);
  before();
}

// before fills the list of events with what has happened until now.
async function before() {
  const { recent, since } = get();
  try {
    const { entries } = await call('GET', query('/v1/journal', { until: new Date(since).toISOString(), limit: '40' }));
    const later = recent.latest(recent.size).reverse();
    recent.clear();
    for (const e of [...entries.map((e) => ({ ...e, id: `journal-${e.id}` })), ...later]) recent.push(e);
    set({});
  } catch { /* the journal's own page says why */ }
}

// took has notices; null: the stream has ended.
function took(list) {
  const state = get();
  if (state.phase !== 'in') {
    stop.abort();
    return;
  }
  if (!list) {
    set({ stream: false });
    return;
  }
  let missed = 0, count = 0;
  for (const n of list) {
    missed += n.missed ?? 0;
    if (!n.event) continue;
    count++;
    state.recent.push({ id: n.id, ...n.event });
    state.live.add(n.event);
  }
  const back = !state.stream || list.some((n) => n.restarted);
  set({ stream: true, events: state.events + count, missed: state.missed + missed, ...(state.link === 'live' ? {} : { link: 'live' }) });
  if (back) {
    again();
    renew();
  } else changed(list);
}

// renew asks who one is and from where: after a break that may be another network.
async function renew() {
  try {
    const session = await call('GET', '/session');
    if (get().phase === 'in') set({ session: { ...get().session, ...session } });
  } catch { /* the next question says why */ }
}

// every second
let lately = 0;

function second() {
  const state = get();
  const pace = state.events - lately;
  lately = state.events;
  if (pace !== state.pace) set({ pace: Math.max(pace, 0) });
  tick();
}

export function run() {
  watchUse();
  setInterval(second, 1000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden && get().phase === 'in') again(); });
  return start();
}

export async function logOut() {
  try {
    await call('DELETE', '/session');
  } catch (failure) {
    if (failure.status !== 401) throw failure;
  }
  stop?.abort();
  leave();
}

export const may = (right) => ({ view: 1, act: 2, admin: 3 })[get().session?.rights] >= ({ view: 1, act: 2, admin: 3 })[right];
