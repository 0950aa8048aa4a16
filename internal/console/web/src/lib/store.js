// What is known, in one place, and who draws it. Whatever changes is drawn with the next
// frame; while much comes, four times a second.
import { Live } from './bars.js';
import { Ring } from './ring.js';

const shown = 500; // events that are kept for the list

export const fresh = () => ({
  phase: 'starting', // 'login', 'in'
  why: null, // a failure: why the page is at the login
  ways: [], // how one can log in
  offered: '', // a link that waits for a yes, as it would take the place of a session
  session: null,
  link: 'asking', // 'live', 'daemon': it does not answer, 'away': the console cannot be reached
  stream: false, // notices come
  now: Date.now(),
  answers: {}, // by name, as the API gave them
  failures: {}, // by name
  rates: new Ring(120), // junk by time
  recent: new Ring(shown),
  live: new Live(),
  since: 0, // when the stream began
  events: 0, // that have come, and at which rate lately
  pace: 0,
  missed: 0,
  said: null,
});

let state = fresh();
let drawn = null;
const listeners = new Set();

export const get = () => state;

export function set(patch) {
  state = { ...state, ...patch };
  drawn ??= draw();
}

export function reset(patch) {
  state = { ...fresh(), ...patch };
  drawn ??= draw();
}

export function listen(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

// hurried is from which rate of events on drawing waits.
export const hurried = 40;

// draw draws with the next frame, or after a second where there are none, as in a window
// that nobody sees: what it shows is true when it comes back.
function draw() {
  const now = () => {
    if (!drawn) return;
    drawn = null;
    for (const f of listeners) f();
  };
  const frame = () => {
    const late = setTimeout(now, 1000);
    requestAnimationFrame(() => { clearTimeout(late); now(); });
  };
  if (state.pace > hurried) setTimeout(frame, 250);
  else frame();
  return true;
}

// answer keeps what the API has said under a name.
export function answer(name, value) {
  const { [name]: _, ...failures } = state.failures;
  set({ answers: { ...state.answers, [name]: value }, failures });
}

export function failed(name, failure) {
  set({ failures: { ...state.failures, [name]: failure } });
}

// say shows a sentence for a while, and has screen readers read it.
let saying = 0;

export function say(text, bad = false) {
  set({ said: { text, bad } });
  clearTimeout(saying);
  saying = setTimeout(() => set({ said: null }), 8000);
}
