// Who asks to be let in. The operator types the code that the asker reads out; the page
// does not know it.
import { useState } from 'preact/hooks';
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { durationText, say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { offers } from '../lib/state.js';
import { seconds } from '../lib/time.js';
import { Ago, Badge, Card, Fault, Field, Left, Name, Sure, useAct, Why } from './basic.jsx';

export function Asks({ state }) {
  const list = state.answers.asks?.asks ?? [];
  if (list.length === 0) return null;
  return (
    <Card id="asks" title={t('asks')} count={list.length} tone="urgent">
      <ul class="asks">{list.map((a) => <Ask key={a.id} a={a} state={state} />)}</ul>
    </Card>
  );
}

function Ask({ a, state }) {
  const doors = state.answers.doors?.doors ?? [];
  const [door, setDoor] = useState(null);
  const [run, { busy, failure }] = useAct();
  const chosen = door ?? (doors.some((d) => d.name === a.door) ? a.door : doors[0]?.name) ?? '';
  const openFor = seconds(doors.find((d) => d.name === chosen)?.open_for) || 60;
  const submit = (e) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget);
    const q = { id: a.id, code: form.get('code').trim(), door: chosen, for: `${form.get('for')}s` };
    run(async () => {
      const answer = await call('POST', '/v1/approve', q);
      load('status');
      load('asks');
      return answer;
    }, (answer) => t('approve.done', { door: inert(answer.door), source: inert(answer.source) }));
  };
  return (
    <li class="ask" data-ask={inert(a.id)}>
      <p class="meta"><Why of={a.source} /> <Badge>{a.family === 'ipv6' ? 'IPv6' : 'IPv4'}</Badge>{a.client && <> <Name text={a.client} /></>} <span class="soft">{t('asks.until')} <Left until={a.until} now={state.now} /></span>{a.tries > 0 && <span class="soft">{t('asks.tries', { n: a.tries })}</span>}</p>
      {a.bound && <p class="soft">{t('asks.bound')}</p>}
      {a.note && <p><bdi>“{inert(a.note)}”</bdi></p>}
      <Known known={a.lookup} now={state.now} />
      {may('act') && (
        <form onSubmit={submit} class="line">
          <Field label={t('code')}><input name="code" class="code-input" required minLength={6} maxLength={9} size={8} autocomplete="off" autocapitalize="characters" spellcheck={false} inputMode="text" /></Field>
          <Field label={t('door')}><select name="door" value={chosen} onChange={(e) => setDoor(e.currentTarget.value)}>{doors.map((d) => <option value={d.name}>{inert(d.label || d.name)}</option>)}</select></Field>
          <Field label={t('for')}><select name="for" key={chosen} defaultValue={openFor}>{offers(openFor, may('admin')).map((s) => <option value={s} selected={s === openFor}>{durationText(s)}</option>)}</select></Field>
          <button class="main" data-act="approve" disabled={busy}>{t('approve')}</button>
          <Sure name="refuse" small={false} label={t('refuse')} sure={t('refuse.sure')} act={async () => { await call('POST', '/v1/refuse', { id: a.id }); load('asks'); }} done={t('refuse.done')} />
        </form>
      )}
      <Fault failure={failure} />
    </li>
  );
}

// Known is what is known of the address, or of its /64.
function Known({ known, now }) {
  if (!known) return <p class="soft">{t('asks.unknown')}</p>;
  const last = known.last_grant;
  return (
    <>
      <p class="meta">
        {known.banned && <Badge tone="bad">{t('lookup.banned')}</Badge>}
        {last ? <span>{t('lookup.last')}: <Ago at={last.time} now={now} /> {last.door && <Name text={last.door} />} {last.client && <Name text={last.client} />}</span> : <span class="soft">{t('lookup.never')}</span>}
        {known.refusals > 0 && <Badge tone="warn">{t('lookup.refusals', { n: known.refusals })}</Badge>}
      </p>
      {known.findings?.map((f) => <p key={f.id} class="meta"><Badge tone="bad">{t(`severity.${f.severity}`)}</Badge> <bdi>{inert(f.explanation)}</bdi></p>)}
    </>
  );
}
