// Doors: open now, their hours, the age of their sequences; and opening one by hand.
import { useState } from 'preact/hooks';
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { durationText, number, say as t, shownTime } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { from, offers } from '../lib/state.js';
import { seconds } from '../lib/time.js';
import { Answer, Badge, Card, Fault, Field, Labelled, Name, Rows, useAct, Why } from '../parts/basic.jsx';
import { Age, HoursOf } from '../parts/secrets.jsx';

export function Doors({ state }) {
  const [open, setOpen] = useState(null);
  return (
    <>
      <h1>{t('page.doors')}</h1>
      {may('act') && <Answer state={state} name="doors">{(a) => <Open doors={a.doors} chosen={open} choose={setOpen} mine={state.session.address} />}</Answer>}
      <Card id="doors" title={t('doors.all')} count={state.answers.doors?.doors.length}>
        <Answer state={state} name="doors">
          {(a) => (
            <Rows
              label={t('doors.all')} rows={a.doors} keyOf={(d) => d.name} none={t('doors.none')}
              columns={[
                [t('door'), (d) => <Why of={d.name}><Labelled name={d.name} label={d.label} /></Why>, 'first'],
                [t('doors.now'), (d) => (d.grants > 0 ? <Badge tone="open">{t('doors.open', { n: d.grants })}</Badge> : <Badge tone="good">{t('doors.closed')}</Badge>)],
                [t('ports'), (d) => <Name text={[...d.ports, ...(d.to ?? []).map((to) => `→ ${to}`)].join(', ')} code />],
                [t('open-for'), (d) => <>{durationText(seconds(d.open_for))}{d.single && <span class="soft"> {t('single')}</span>}</>],
                [t('hours'), (d) => <HoursOf hours={d.hours} />],
                [t('sequence'), (d) => (d.sequence ? <Age secret={d.sequence} now={state.now} /> : <span class="soft">–</span>)],
                [t('ways'), (d) => <span class="soft">{d.ways.map((w) => inert(w)).join(', ')}</span>],
                [t('page.clients'), (d) => number(d.clients), 'number'],
                [t('dropped'), (d) => number(d.dropped), 'number'],
                may('act') && [<span class="hidden">{t('act')}</span>, (d) => <button type="button" class="small" data-act="open-for" onClick={() => { setOpen(d.name); document.querySelector('form.open [name=source]')?.focus(); }}>{t('open')}</button>, 'acts'],
              ]}
            />
          )}
        </Answer>
      </Card>
    </>
  );
}

function Open({ doors, chosen, choose, mine }) {
  const [run, { busy, failure }] = useAct();
  const [source, setSource] = useState('');
  const door = doors.find((d) => d.name === chosen) ?? doors[0];
  if (!door) return null;
  const openFor = seconds(door.open_for);
  const submit = (e) => {
    e.preventDefault();
    const length = new FormData(e.currentTarget).get('for');
    run(async () => {
      const grant = await call('POST', '/v1/open', { door: door.name, source: source.trim(), for: `${length}s` });
      load('status');
      load('doors');
      return grant;
    }, (g) => t('open.done', { door: inert(g.door), source: inert(from(g)), time: shownTime(Date.parse(g.until)) }));
  };
  return (
    <Card id="open" title={t('open.title')}>
      <form class="line open" onSubmit={submit}>
        <Field label={t('door')}><select name="door" value={door.name} onChange={(e) => choose(e.currentTarget.value)}>{doors.map((d) => <option value={d.name} selected={d === door}>{inert(d.label || d.name)}</option>)}</select></Field>
        <Field label={t('open.source')}><input name="source" required maxLength={60} value={source} placeholder="192.0.2.7" autocomplete="off" spellcheck={false} onInput={(e) => setSource(e.currentTarget.value)} /></Field>
        {mine && <button type="button" data-act="mine" onClick={() => setSource(mine)}>{t('open.mine', { address: inert(mine) })}</button>}
        <Field label={t('for')}><select name="for" key={door.name}>{offers(openFor, may('admin')).map((s) => <option value={s} selected={s === openFor}>{durationText(s)}</option>)}</select></Field>
        <button class="main" data-act="open" disabled={busy}>{t('open')}</button>
      </form>
      <Fault failure={failure} />
    </Card>
  );
}
