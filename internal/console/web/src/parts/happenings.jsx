// The latest events, and what a row of them says.
import { useEffect, useRef, useState } from 'preact/hooks';
import { inert } from '../lib/inert.js';
import { number, say as t } from '../lib/lang.js';
import { get, hurried } from '../lib/store.js';
import { Badge, Card, Name, Time, Why } from './basic.jsx';

const shown = 15;

const tones = { grant: 'good', refusal: 'warn', ban: 'bad', finding: 'bad', failure: 'bad', overload: 'bad', repair: 'bad', revocation: 'note', expiry: 'quiet', asked: 'warn', allowed: 'good', contacts: 'quiet' };

export const KindBadge = ({ e }) => <Badge tone={e.ended ? 'quiet' : tones[e.kind] ?? 'note'}>{t.has(`kind.${e.kind}`) ? t(`kind.${e.kind}`) : inert(e.kind)}{e.ended ? ` ${t('kind.over')}` : ''}</Badge>;

// What says what an event is about: door, client, source, reason, detail.
export function What({ e }) {
  const f = e.finding;
  return (
    <span class="what">
      {e.door && <Name text={e.door} />} {e.client && <Why of={e.client}><Name text={e.client} /></Why>} {e.source && <Why of={e.source} />} {e.reason && <code class="reason">{inert(e.reason)}</code>}
      {e.packets > 1 && <span class="soft"> ×{number(e.packets)}</span>} {(f?.explanation || e.detail) && <span class="detail soft"><bdi>{inert(f?.explanation || e.detail)}</bdi></span>}
    </span>
  );
}

export function Happenings({ state }) {
  const list = state.recent.latest(shown);
  const fast = state.pace > hurried;
  return (
    <Card id="latest" title={t('latest')} aside={<span class={`pulse ${state.stream ? 'on' : ''}`}>{state.stream ? t('live.on') : t('live.off')}</span>}>
      {fast && <p class="notice" id="sampled">{t('sampled', { n: number(state.pace), shown })}</p>}
      {state.missed > 0 && <p class="notice" id="missed">{t('missed', { n: number(state.missed) })}</p>}
      {list.length === 0 ? <p class="soft none">{t('latest.none')}</p> : (
        <ol class="events">{list.map((e) => <li key={e.id} data-kind={inert(e.kind)}><Time at={e.time} /> <KindBadge e={e} /> <What e={e} /></li>)}</ol>
      )}
      <p><a href="#/journal">{t('latest.journal')}</a></p>
      <Heard />
    </Card>
  );
}

const every = 10_000;

// Heard sums up for screen readers what has come, every ten seconds at most.
function Heard() {
  const [text, setText] = useState('');
  const from = useRef(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      const sums = {};
      for (const w of get().live.since(from.current)) sums[w.lane] = (sums[w.lane] ?? 0) + w.count;
      from.current = Math.floor(Date.now() / 1000) * 1000;
      if (sums.opened || sums.refused || sums.touched) setText(t('heard', { opened: sums.opened ?? 0, refused: sums.refused ?? 0, touched: sums.touched ?? 0 }));
    }, every);
    return () => clearInterval(timer);
  }, []);
  return <p class="hidden" aria-live="polite">{text}</p>;
}
