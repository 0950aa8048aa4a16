// Asks for what the page shows, once at a time each, and again when it has changed.
import { call, query } from './api.js';
import { language } from './lang.js';
import { rate, junk, toLoad } from './state.js';
import { answer, failed, get, set } from './store.js';

const paths = {
  status: () => '/v1/status',
  findings: () => query('/v1/findings', { limit: '200', lang: language() === 'en' ? '' : language() }),
  doors: () => '/v1/doors',
  clients: null, // page by page
  bans: () => '/v1/bans',
  keys: () => '/v1/keys',
  lint: () => '/v1/lint',
  asks: () => '/v1/asks',
  passkeys: () => '/passkeys',
};

const gap = 250; // ms between two questions for the same
const running = new Map();
let wanted = new Set();

// want says which answers the page shows, beside those that it always does.
export function want(names) {
  wanted = new Set(['status', 'findings', 'asks', ...names]);
  for (const name of wanted) load(name);
}

// changed asks again for what notices say is not as it was.
export function changed(list) {
  const names = new Set(list.flatMap((n) => [...toLoad(n)]));
  for (const name of names) if (wanted.has(name)) load(name);
}

export const again = () => { for (const name of wanted) load(name); };

// load asks once; who asks meanwhile has it asked once more.
export async function load(name) {
  if (running.has(name)) {
    running.set(name, true);
    return;
  }
  running.set(name, false);
  try {
    const value = await (name === 'clients' ? everyClient() : call('GET', paths[name]()));
    took(name, value);
  } catch (failure) {
    if (get().phase === 'in') failed(name, failure);
  }
  setTimeout(() => {
    const more = running.get(name);
    running.delete(name);
    if (more && get().phase === 'in') load(name);
  }, gap);
}

function took(name, value) {
  if (get().phase !== 'in') return;
  if (name === 'status') measure(value);
  answer(name, value);
}

// measure notes how much junk comes.
let before = null;

function measure(status) {
  const after = { at: Date.now(), started: status.started, dropped: junk(status) };
  if (before && after.at - before.at < 2000) return;
  const r = before && rate(before, after);
  if (r !== null) get().rates.push({ at: after.at, rate: r });
  before = after;
}

const mostClients = 2000;

async function everyClient() {
  const all = [];
  for (let more = true, after = ''; more && all.length < mostClients; ) {
    const page = await call('GET', query('/v1/clients', { limit: '500', after }));
    all.push(...page.clients);
    more = page.more === true && page.clients.length > 0;
    after = all.at(-1)?.name;
  }
  return { clients: all };
}

// tick keeps the clock, and asks for what no notice is about.
export function tick() {
  const state = get();
  if (state.phase !== 'in' || document.hidden) return;
  const now = Date.now();
  set({ now });
  if (Math.floor(now / 5000) !== Math.floor(state.now / 5000)) load('status');
  if (Math.floor(now / 60000) !== Math.floor(state.now / 60000)) again();
}
