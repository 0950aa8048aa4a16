// Asks the console. Cookie and header show together who asks.
import { get, reset, set } from './store.js';

const patience = 15_000;

// Failure is what did not work: with the words of the console or the daemon, or, with
// status 0, because nothing has come back.
export class Failure extends Error {
  constructor(status, said = {}) {
    super(said.error || '');
    this.status = status;
    this.hint = said.hint || '';
    this.ways = said.ways; // how one can log in
  }
}

const key = 'session';
let token = '';

export function remember(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch { /* it lasts until the page is closed */ }
}

export function recall() {
  try {
    token = sessionStorage.getItem(key) || '';
  } catch { /* there is none */ }
  return token;
}

// What nobody has asked for, as when the page keeps up to date what it shows, keeps no
// session from its end.
let used = Date.now();

export function watchUse() {
  for (const type of ['pointerdown', 'keydown']) addEventListener(type, () => { used = Date.now(); }, { passive: true, capture: true });
}

const lately = 60_000;

export async function send(method, path, body, signal) {
  const headers = token ? { 'Sallyport-Session': token } : {};
  if (Date.now() - used > lately) headers['Sallyport-Background'] = '1';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  try {
    return await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', signal });
  } catch (e) {
    if (signal?.aborted && signal.reason?.name !== 'TimeoutError') throw e;
    throw noted(new Failure(0));
  }
}

// noted keeps what a failure says about the way to the daemon.
export function noted(failure) {
  if (get().phase !== 'in') return failure;
  if (failure.status === 0) set({ link: 'away' });
  if (failure.status === 502) set({ link: 'daemon' });
  if (failure.status === 401) leave(failure);
  return failure;
}

// leave goes to the login; the page says why.
export function leave(why = null, ways = why?.ways ?? []) {
  remember('');
  reset({ phase: 'login', why, ways });
}

export async function call(method, path, body) {
  const response = await send(method, path, body, AbortSignal.timeout(patience));
  let said = {};
  try {
    said = whole(await response.json());
  } catch {
    if (response.ok && response.status !== 204) throw noted(new Failure(0));
  }
  if (!response.ok) throw noted(new Failure(response.status, said));
  if (path.startsWith('/v1/') && get().link !== 'live') set({ link: 'live' });
  return said;
}

// whole has an empty list where Go writes null for one.
export function whole(value) {
  if (value === null) return [];
  if (typeof value === 'object') for (const key of Object.keys(value)) value[key] = whole(value[key]);
  return value;
}

// query writes what is not empty behind a path.
export function query(path, values) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) q.set(name, value);
  return q.size ? `${path}?${q}` : path;
}
