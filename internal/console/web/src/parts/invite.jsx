// An invite: a link, and a QR code of it, with which one device enrols itself.
import { useState } from 'preact/hooks';
import { qrCode } from 'virtual:qr';
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { linkOf, made } from '../lib/invite.js';
import { durationText, say as t, shownTime } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { Card, Fault, Field, useAct } from './basic.jsx';

const fits = 230; // bytes of a QR code

export function Invite({ state }) {
  const [run, { busy, failure }] = useAct();
  const [link, setLink] = useState(null);
  const doors = state.answers.doors?.doors ?? [];
  const submit = (e) => {
    e.preventDefault();
    const form = e.currentTarget, data = new FormData(form), text = (name) => data.get(name).trim();
    run(async () => {
      const { key, seed } = await made();
      const q = { client: text('name'), doors: data.getAll('door'), key, for: `${data.get('for')}s` };
      if (text('label')) q.label = text('label');
      if (text('page')) q.page = new URL(text('page')).origin;
      const answer = await call('POST', '/v1/invite', q);
      setLink({ text: linkOf(answer, { seed, host: text('host'), name: q.client, page: text('page') }), until: Date.parse(answer.until) });
      form.reset();
      load('clients');
    });
  };
  return (
    <Card id="invite" title={t('invite')}>
      <form class="line" onSubmit={submit}>
        <Field label={t('name')}><input name="name" required maxLength={64} autocomplete="off" spellcheck={false} /></Field>
        <Field label={t('invite.label')}><input name="label" maxLength={80} autocomplete="off" /></Field>
        <Field label={t('invite.host')}><input name="host" required pattern="[0-9.]+|[0-9a-fA-F:.]+" maxLength={45} placeholder="203.0.113.1" autocomplete="off" spellcheck={false} /></Field>
        <Field label={t('invite.page')}><input name="page" type="url" maxLength={200} placeholder="https://" autocomplete="off" /></Field>
        <Field label={t('invite.valid')}><select name="for">{[3600, 14400, 86400].map((s) => <option value={s}>{durationText(s)}</option>)}</select></Field>
        <fieldset><legend>{t('page.doors')}</legend>{doors.map((d) => <label class="check" key={d.name}><input type="checkbox" name="door" value={d.name} /> <bdi>{inert(d.label || d.name)}</bdi></label>)}</fieldset>
        <button class="main" data-act="invite" disabled={busy}>{t('invite.make')}</button>
      </form>
      <Fault failure={failure} />
      {link && <Made {...link} fingerprint={state.answers.keys?.keys.find((k) => k.suite === 'x25519')?.fingerprint} forget={() => setLink(null)} />}
    </Card>
  );
}

function Made({ text, until, fingerprint, forget }) {
  const copy = () => navigator.clipboard?.writeText(text);
  return (
    <div class="invite" role="status">
      <p>{t('invite.made', { time: shownTime(until) })}</p>
      {new TextEncoder().encode(text).length <= fits && <Code text={text} />}
      <pre><code id="invite-link">{text}</code></pre>
      {fingerprint && <p class="soft">{t('invite.compare')} <code>{inert(fingerprint)}</code></p>}
      <p class="controls"><button type="button" onClick={copy}>{t('copy')}</button><button type="button" onClick={forget}>{t('invite.forget')}</button></p>
    </div>
  );
}

function Code({ text }) {
  const rows = qrCode(text), n = rows.length + 8;
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ''))).join('');
  return <svg class="qr" viewBox={`0 0 ${n} ${n}`} role="img" aria-label={t('invite.code')}><path d={path} /></svg>;
}
