// The journal: what has happened, with filters, page by page into the past.
import { useEffect, useState } from 'preact/hooks';
import { call, query } from '../lib/api.js';
import { say as t, shownTime } from '../lib/lang.js';
import { Card, Fault, Field, Time } from '../parts/basic.jsx';
import { KindBadge, What } from '../parts/happenings.jsx';

const page = 100;

export const kinds = ['grant', 'refusal', 'expiry', 'revocation', 'use', 'contacts', 'ban', 'login', 'finding', 'ack', 'enrolment', 'reload', 'start', 'stop', 'repair', 'overload', 'clock', 'key', 'failure', 'drill', 'asked', 'allowed', 'declined'];

const fields = ['kind', 'source', 'client', 'door', 'reason', 'since', 'until'];

export function Journal({ search }) {
  const given = Object.fromEntries(new URLSearchParams(search));
  const [list, setList] = useState(null); // the newest first
  const [more, setMore] = useState(false);
  const [failure, setFailure] = useState(null);
  const fetchPage = async (until, before) => {
    try {
      const q = Object.fromEntries(fields.map((f) => [f, given[f]]));
      const { entries } = await call('GET', query('/v1/journal', { ...q, until: until || q.until, limit: String(page) }));
      const seen = new Set(before.map((e) => e.id));
      setList([...before, ...entries.reverse().filter((e) => !seen.has(e.id))]);
      setMore(entries.length === page);
      setFailure(null);
    } catch (e) {
      setFailure(e);
    }
  };
  useEffect(() => { fetchPage('', []); }, [search]);
  const earlier = () => fetchPage(new Date(Date.parse(list.at(-1).time) + 1).toISOString(), list);
  return (
    <>
      <h1>{t('page.journal')}</h1>
      <Filter given={given} />
      <Card id="entries" title={t('journal.entries')}>
        <Fault failure={failure} />
        {list === null ? !failure && <p class="soft loading">{t('asking')}</p> : list.length === 0 ? <p class="soft none">{t('journal.none')}</p> : (
          <ol class="events">{list.map((e) => <li key={e.id} data-kind={e.kind}><Time at={e.time} full /> <KindBadge e={e} /> <What e={e} /></li>)}</ol>
        )}
        {more && <p><button type="button" data-act="earlier" onClick={earlier}>{t('journal.earlier')}</button></p>}
      </Card>
    </>
  );
}

// Filter changes the address, so that what is shown can be kept and handed on.
function Filter({ given }) {
  const apply = (e) => {
    e.preventDefault();
    const q = new URLSearchParams([...new FormData(e.currentTarget)].map(([k, v]) => [k, v.trim()]).filter(([, v]) => v));
    for (const f of ['since', 'until']) if (given[f] && !q.has('all')) q.set(f, given[f]);
    q.delete('all');
    location.hash = q.size ? `#/journal?${q}` : '#/journal';
  };
  const key = JSON.stringify(given);
  return (
    <Card id="filter" title={t('filter')}>
      <form class="line" onSubmit={apply} key={key}>
        <Field label={t('kind')}><select name="kind"><option value="">{t('all')}</option>{kinds.map((k) => <option value={k} selected={k === given.kind}>{t(`kind.${k}`)}</option>)}</select></Field>
        <Field label={t('source')}><input name="source" defaultValue={given.source} maxLength={60} spellcheck={false} /></Field>
        <Field label={t('client')}><input name="client" defaultValue={given.client} maxLength={200} spellcheck={false} /></Field>
        <Field label={t('door')}><input name="door" defaultValue={given.door} maxLength={200} spellcheck={false} /></Field>
        <Field label={t('reason')}><input name="reason" defaultValue={given.reason} maxLength={40} spellcheck={false} /></Field>
        {given.since && <label class="check"><input type="checkbox" name="all" /> {t('journal.all', { since: shownTime(Date.parse(given.since)), until: given.until ? shownTime(Date.parse(given.until)) : t('now') })}</label>}
        <button class="main" data-act="apply">{t('apply')}</button>
        {key !== '{}' && <a href="#/journal">{t('clear')}</a>}
      </form>
    </Card>
  );
}
