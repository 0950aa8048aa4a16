// Clients: last in, from where, how old their secrets are; and, for those with the right
// admin, removing one and taking an invite back.
import { useState } from 'preact/hooks';
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { number, say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { Ago, Answer, Badge, Card, Day, Labelled, Name, Rows, Sure, Why } from '../parts/basic.jsx';
import { Invite } from '../parts/invite.jsx';
import { Age, HoursOf } from '../parts/secrets.jsx';

const shown = 200;

export function Clients({ state }) {
  const [filter, setFilter] = useState('');
  return (
    <>
      <h1>{t('page.clients')}</h1>
      {may('admin') && <Invite state={state} />}
      <Card id="clients" title={t('clients.all')} count={state.answers.clients?.clients.length} aside={<input type="search" aria-label={t('filter')} placeholder={t('filter')} value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />}>
        <Answer state={state} name="clients">{(a) => <List list={matching(a.clients, filter)} now={state.now} />}</Answer>
      </Card>
    </>
  );
}

function matching(list, filter) {
  const text = filter.trim().toLowerCase();
  return text === '' ? list : list.filter((c) => [c.name, c.label, ...c.doors, c.last?.source].some((s) => s?.toLowerCase().includes(text)));
}

function List({ list, now }) {
  return (
    <>
      <Rows
        label={t('clients.all')} rows={list.slice(0, shown)} keyOf={(c) => c.name} none={t('clients.none')}
        columns={[
          [t('client'), (c) => <><Why of={c.name}><Labelled name={c.name} label={c.label} /></Why>{c.grants > 0 && <> <Badge tone="open">{t('clients.in')}</Badge></>}</>, 'first'],
          [t('clients.last'), (c) => (c.last ? <Ago at={c.last.time} now={now} /> : <span class="soft">{t('never')}</span>)],
          [t('source'), (c) => (c.last?.source ? <Why of={c.last.source} /> : <span class="soft">–</span>)],
          [t('page.doors'), (c) => <Name text={c.doors.join(', ')} />],
          [t('ways'), (c) => <span class="soft">{c.ways.map((w) => inert(w)).join(', ')}</span>],
          [t('secret'), (c) => <>{c.rotating && <Age secret={c.rotating} now={now} />}{c.key && <Name text={c.key} code />}{!c.rotating && !c.key && <span class="soft">–</span>}</>],
          [t('expires'), (c) => (c.expires ? <Day at={c.expires} /> : <span class="soft">–</span>)],
          [t('hours'), (c) => <HoursOf hours={c.hours} />],
          may('admin') && [<span class="hidden">{t('act')}</span>, (c) => <Sure name="remove" label={t('remove')} sure={t('remove.sure')} act={() => remove(c.name)} done={t('remove.done', { client: inert(c.name) })} />, 'acts'],
        ]}
      />
      {list.length > shown && <p class="soft">{t('more', { n: number(list.length - shown) })}</p>}
    </>
  );
}

async function remove(client) {
  await call('POST', '/v1/remove', { client });
  await call('POST', '/v1/revoke', { client, cut: true });
  load('clients');
}
