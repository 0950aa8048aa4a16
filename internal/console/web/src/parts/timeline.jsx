// The timeline of knocks: live, or a time in the past.
import { useEffect, useRef, useState } from 'preact/hooks';
import { chart, spans, windowOf } from '../lib/bars.js';
import { number, say as t, shownTime } from '../lib/lang.js';
import { joined, past } from '../lib/past.js';
import { get } from '../lib/store.js';
import { Card, Fault } from './basic.jsx';
import { Chart } from './chart.jsx';
import { reasonText, useReasons } from './reasons.js';

const settled = 120_000; // after so long the journal has everything

// usePast has what the journal says of a window; again every minute, and when events
// have been missed.
function usePast({ since, until }, live, missed) {
  const [answer, set] = useState({ weights: [], complete: 0, cut: 0, asking: true });
  const asked = useRef(0);
  const minute = live ? Math.floor(until / 60_000) : until;
  useEffect(() => {
    const mine = ++asked.current, now = Date.now();
    past(since, until).then(
      (a) => { if (mine === asked.current) set({ ...a, cut: live ? Math.max(get().since, now - settled) : Infinity }); },
      (failure) => { if (mine === asked.current) set((before) => ({ ...before, failure })); },
    );
  }, [since, minute, live, missed]);
  return answer;
}

export function Timeline({ state }) {
  const [span, setSpan] = useState(1);
  const [until, setUntil] = useState(null); // null: live
  const view = windowOf(spans[span], until ?? state.now);
  const step = spans[span][0] * 500; // half of what is shown
  const answer = usePast(view, until === null, until === null ? Math.ceil(state.missed / 1000) : 0);
  const data = chart(joined(answer.weights, state.live, answer.cut), view.since, view.width, view.n);
  const later = view.until + step >= state.now ? null : view.until + step;
  const choose = (from, to) => { location.hash = `#/journal?since=${new Date(from).toISOString()}&until=${new Date(to).toISOString()}`; };
  return (
    <Card id="timeline" title={t('timeline')} aside={<Controls {...{ span, setSpan, until, setUntil, later, earlier: view.until - step }} />}>
      <Fault failure={answer.failure} />
      <div class={answer.asking && !answer.failure ? 'loading' : ''}><Chart data={data} partial={answer.complete} choose={choose} /></div>
      {answer.complete > 0 && <p class="soft small-text">{t('timeline.partial', { from: shownTime(answer.complete) })}</p>}
      <Reasons reasons={data.reasons} view={view} />
    </Card>
  );
}

function Controls({ span, setSpan, until, setUntil, earlier, later }) {
  return (
    <div class="controls">
      <select aria-label={t('timeline.span')} value={span} onChange={(e) => setSpan(Number(e.currentTarget.value))}>
        {spans.map((s, i) => <option value={i}>{t(`span.${s[0]}`)}</option>)}
      </select>
      <button type="button" class="small" data-act="earlier" onClick={() => setUntil(earlier)}>{t('earlier')}</button>
      <button type="button" class="small" data-act="later" disabled={until === null} onClick={() => setUntil(later)}>{t('later')}</button>
      <button type="button" class={`small ${until === null ? 'on' : ''}`} data-act="live" aria-pressed={until === null} onClick={() => setUntil(null)}>{t('live')}</button>
    </div>
  );
}

const most = 6;

function Reasons({ reasons, view }) {
  const words = useReasons();
  const list = Object.entries(reasons).sort((a, b) => b[1] - a[1]);
  if (list.length === 0) return null;
  const to = (reason) => `#/journal?kind=refusal&reason=${reason}&since=${new Date(view.since).toISOString()}&until=${new Date(view.until).toISOString()}`;
  return (
    <div class="reasons">
      <h3>{t('reasons')}</h3>
      <ul>
        {list.slice(0, most).map(([reason, count]) => (
          <li key={reason}><a href={to(reason)}><b>{number(count)}</b> <code>{reason}</code></a> <span class="soft">{reasonText(words, reason)}</span></li>
        ))}
        {list.length > most && <li class="soft">{t('more', { n: list.length - most })}</li>}
      </ul>
    </div>
  );
}
