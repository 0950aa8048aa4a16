// Why a source, a client or a door got in, or did not.
import { useEffect, useState } from 'preact/hooks';
import { call, query } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { say as t } from '../lib/lang.js';
import { may } from '../lib/session.js';
import { load } from '../lib/load.js';
import { addressOf, current, from } from '../lib/state.js';
import { Badge, Card, Fault, Left, Name, Rows, Sure, Time } from '../parts/basic.jsx';
import { KindBadge, What } from '../parts/happenings.jsx';
import { adviceText, reasonText, useReasons } from '../parts/reasons.js';

const isAddress = (text) => /^[0-9.]+(\/\d+)?$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(\/\d+)?$/.test(text);

export function WhyPage({ state, rest: of }) {
  const [answer, set] = useState(null);
  const [failure, setFailure] = useState(null);
  const words = useReasons();
  const kind = isAddress(of) ? 'source' : state.answers.doors?.doors.some((d) => d.name === of) ? 'door' : 'client';
  useEffect(() => { call('GET', query('/v1/why', { of })).then(set, setFailure); }, [of]);
  return (
    <>
      <h1>{t('why', { of: inert(of) })}</h1>
      <p><a href={`#/journal?${new URLSearchParams({ [kind]: of })}`}>{t('why.journal')}</a></p>
      {isAddress(of) && may('act') && <p><Sure name="ban" small={false} label={t('ban.this')} sure={t('ban.sure')} act={async () => { await call('POST', '/v1/ban', { source: addressOf(of) }); load('bans'); }} done={t('ban.done', { source: inert(of) })} /></p>}
      <Fault failure={failure} />
      {!answer && !failure && <p class="soft loading">{t('asking')}</p>}
      {answer && <Told a={answer} words={words} now={state.now} />}
    </>
  );
}

function Told({ a, words, now }) {
  const grants = current(a.grants ?? [], now), reasons = a.reasons ?? [], events = [...(a.events ?? [])].reverse();
  return (
    <>
      <Card id="why-now" title={t('why.now')}>
        <Rows label={t('why.now')} rows={grants} keyOf={(g) => `${g.door} ${from(g)} ${g.client ?? ''}`} none={t('why.closed')}
          columns={[[t('door'), (g) => <Name text={g.door} />, 'first'], [t('source'), (g) => <Name text={from(g)} code />], [t('client'), (g) => <Name text={g.client ?? '–'} />], [t('in.left'), (g) => <Left until={g.until} now={now} />, 'number']]} />
      </Card>
      <Card id="why-reasons" title={t('why.reasons')}>
        {reasons.length === 0 ? <p class="soft none">{t('why.none')}</p> : (
          <ul class="findings">
            {reasons.map((r) => (
              <li class="finding note" key={r.kind + r.reason}>
                <p class="meta"><KindBadge e={r} /> {r.reason && <code class="reason">{inert(r.reason)}</code>} <Badge>{t('times', { n: r.count })}</Badge> <Time at={r.last} full /></p>
                <p><bdi>{reasonText(words, r.reason) || inert(r.meaning || r.detail)}</bdi></p>
                {(adviceText(words, r.reason) || r.advice) && <p class="advice"><b>{t('todo.what')}</b> <bdi>{adviceText(words, r.reason) || inert(r.advice)}</bdi></p>}
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card id="why-events" title={t('latest')}>
        {events.length === 0 ? <p class="soft none">{t('why.silent')}</p> : <ol class="events">{events.map((e, i) => <li key={i}><Time at={e.time} full /> <KindBadge e={e} /> <What e={e} /></li>)}</ol>}
      </Card>
    </>
  );
}
