// Who is in, and until when.
import { call } from '../lib/api.js';
import { say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { current, from } from '../lib/state.js';
import { Card, Labelled, Left, Name, Rows, Sure, Why } from './basic.jsx';

// end ends a grant, and with it the connections that it has let in.
async function end(g) {
  const q = { door: g.door, source: g.source, cut: true };
  if (g.client) q.client = g.client;
  const answer = await call('POST', '/v1/revoke', q);
  load('status');
  return answer;
}

export function Grants({ state }) {
  const { status } = state.answers;
  const list = status ? current(status.grants, state.now) : [];
  const labels = status?.client_labels ?? {};
  return (
    <Card id="in" title={t('in')} count={list.length}>
      <Rows
        label={t('in')} rows={list} keyOf={(g) => `${g.door} ${from(g)} ${g.client ?? ''}`}
        none={status ? t('in.none') : t('asking')}
        columns={[
          [t('client'), (g) => (g.client ? <Why of={g.client}><Labelled name={g.client} label={labels[g.client]} /></Why> : <span class="soft">{t('in.nobody')}</span>), 'first'],
          [t('source'), (g) => <Why of={from(g)} />],
          [t('door'), (g) => <Name text={g.door} />],
          [t('in.left'), (g) => <><Left until={g.until} now={state.now} />{g.single && <span class="soft block">{t('single')}</span>}</>, 'number'],
          may('act') && [<span class="hidden">{t('act')}</span>, (g) => <Sure name="revoke" label={t('revoke')} sure={t('revoke.sure')} act={() => end(g)} done={(a) => t('revoke.done', { n: a.grants.length, cut: a.cut })} />, 'acts'],
        ]}
      />
    </Card>
  );
}
