// The stream of notices: read for as long as the page is there, resumed where it broke
// off. Of several windows of one browser one reads, and hands on to the others, so that
// they do not use up the connections that a browser has for one place.
import { Failure, noted, send } from './api.js';
import { Events, notices } from './events.js';

const silence = 40_000; // comments come every 15 seconds
const patience = 15_000;

// read hands on notices after an id until the stream ends; it throws a Failure where
// there is none.
async function read(after, take, signal) {
  const stop = new AbortController();
  const over = AbortSignal.any([signal, stop.signal]);
  let timer = setTimeout(() => stop.abort(new DOMException('', 'TimeoutError')), patience);
  const response = await send('GET', '/v1/events' + (after ? `?after=${encodeURIComponent(after)}` : ''), undefined, over);
  try {
    if (!response.ok) throw noted(new Failure(response.status, await response.json().catch(() => ({}))));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new Events();
    take([]);
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(new DOMException('', 'TimeoutError')), silence);
      const { done, value } = await reader.read();
      if (done) return;
      take(notices(events.feed(value)));
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

// pause waits, or until the network or the user is back.
function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      document.removeEventListener('visibilitychange', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done);
    document.addEventListener('visibilitychange', done);
    signal.addEventListener('abort', done);
  });
}

// follow hands on notices until it is aborted, however often the stream ends. take gets
// a list of them, an empty one when a stream begins, and null when it has ended.
export function follow(take, signal) {
  let last = '';
  const heard = (list) => {
    last = list?.at(-1)?.id ?? last;
    take(list);
  };
  let reading = false; // here, and not in another window
  const others = new BroadcastChannel('sallyport-notices');
  others.onmessage = ({ data }) => {
    if (signal.aborted) return;
    if (data !== 'new') heard(data);
    else if (reading) others.postMessage([]); // a window asks whether notices come
  };
  others.postMessage('new');
  const lead = async () => {
    let wait = 500;
    while (!signal.aborted) {
      try {
        await read(last, (list) => { reading = true; wait = 500; heard(list); others.postMessage(list); }, signal);
      } catch (failure) {
        if (failure.status === 400) last = ''; // it is no notice of this gate
      }
      reading = false;
      if (signal.aborted) break;
      heard(null);
      others.postMessage(null);
      await pause(wait * (1 + Math.random() / 4), signal);
      wait = Math.min(wait * 2, 5000);
    }
  };
  const done = navigator.locks ? navigator.locks.request('sallyport-notices', { signal }, lead) : lead();
  done.catch(() => {}).finally(() => others.close()); // aborted while another window reads
}
