// Who is kept out, until when.
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { durationText, say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { addressOf } from '../lib/state.js';
import { Answer, Card, Fault, Field, Left, Rows, Sure, Time, useAct, Why } from '../parts/basic.jsx';

const shown = 500;

export function Bans({ state }) {
  return (
    <>
      <h1>{t('page.bans')}</h1>
      {may('act') && <Add />}
      <Card id="bans" title={t('bans.all')} count={state.answers.bans?.length || undefined}>
        <Answer state={state} name="bans">
          {(list) => (
            <>
              <Rows label={t('bans.all')} rows={list.filter((b) => Date.parse(b.until) > state.now).slice(0, shown)} keyOf={(b) => b.source} none={t('bans.none')}
                columns={[
                  [t('source'), (b) => <Why of={b.source} />, 'first'],
                  [t('in.left'), (b) => <Left until={b.until} now={state.now} />, 'number'],
                  [t('bans.until'), (b) => <Time at={b.until} full />],
                  may('act') && [<span class="hidden">{t('act')}</span>, (b) => <Lift b={b} />, 'acts'],
                ]} />
              {list.length > shown && <p class="soft">{t('more', { n: list.length - shown })}</p>}
            </>
          )}
        </Answer>
      </Card>
    </>
  );
}

const Lift = ({ b }) => <Sure name="unban" label={t('unban')} sure={t('unban.sure')} act={async () => { await call('POST', '/v1/unban', { source: addressOf(b.source) }); await load('bans'); }} done={t('unban.done', { source: inert(b.source) })} />;

function Add() {
  const [run, { busy, failure }] = useAct();
  const submit = (e) => {
    e.preventDefault();
    const form = e.currentTarget, data = new FormData(form), source = data.get('source').trim();
    const q = data.get('for') === '' ? { source } : { source, for: `${data.get('for')}s` };
    run(async () => {
      await call('POST', '/v1/ban', q);
      form.reset();
      load('bans');
    }, t('ban.done', { source: inert(source) }));
  };
  return (
    <Card id="ban" title={t('ban.title')}>
      <form class="line" onSubmit={submit}>
        <Field label={t('source')}><input name="source" required maxLength={60} autocomplete="off" spellcheck={false} placeholder="192.0.2.7" /></Field>
        <Field label={t('for')}><select name="for"><option value="">{t('ban.usual')}</option>{[600, 3600, 86400, 604800].map((s) => <option value={s}>{durationText(s)}</option>)}</select></Field>
        <button class="main" data-act="ban" disabled={busy}>{t('ban')}</button>
      </form>
      <Fault failure={failure} />
    </Card>
  );
}
