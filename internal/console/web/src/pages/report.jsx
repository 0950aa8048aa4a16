// The figures of the last days.
import { useEffect, useState } from 'preact/hooks';
import { call, query } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { language, number, say as t } from '../lib/lang.js';
import { Card, Fault, Labelled, Rows, Time } from '../parts/basic.jsx';
import { reasonText, useReasons } from '../parts/reasons.js';

const lengths = [1, 7, 30];

export function Report() {
  const [days, setDays] = useState(7);
  const [a, set] = useState(null);
  const [failure, setFailure] = useState(null);
  const words = useReasons();
  useEffect(() => {
    const since = new Date(Date.now() - days * 86_400_000).toISOString();
    call('GET', query('/v1/report', { since, lang: language() === 'en' ? '' : language() })).then((v) => { set(v); setFailure(null); }, setFailure);
  }, [days, language()]);
  return (
    <>
      <h1>{t('page.report')}</h1>
      <p class="controls">{lengths.map((n) => <button type="button" class={`small ${n === days ? 'on' : ''}`} aria-pressed={n === days} onClick={() => setDays(n)}>{t('days', { n })}</button>)}</p>
      <Fault failure={failure} />
      {!a && !failure && <p class="soft loading">{t('asking')}</p>}
      {a && <Figures a={a} words={words} />}
    </>
  );
}

function Figures({ a, words }) {
  const refused = Object.entries(a.refusals).sort((x, y) => y[1] - x[1]);
  const figures = [['good', a.grants, 'report.grants'], ['', a.used, 'report.used'], ['warn', refused.reduce((n, r) => n + r[1], 0), 'report.refused'], ['quiet', a.packets, 'report.packets'], ['', a.noisy, 'report.noisy'], [a.findings.length ? 'bad' : '', a.findings.length, 'report.findings']];
  return (
    <>
      <ul class="figures">{figures.map(([tone, n, key]) => <li key={key}><b class={tone}>{number(n)}</b><span class="soft">{t(key)}</span></li>)}</ul>
      <Card id="advice" title={t('report.advice')}>
        {a.advice.length === 0 ? <p class="soft none">{t('report.nothing')}</p> : <ol class="plain-list">{a.advice.map((s) => <li><bdi>{inert(s)}</bdi></li>)}</ol>}
      </Card>
      <div class="columns">
        <Used id="report-doors" title={t('page.doors')} list={a.doors} />
        <Used id="report-clients" title={t('page.clients')} list={a.clients} />
      </div>
      <Card id="report-reasons" title={t('reasons')}>
        <Rows label={t('reasons')} rows={refused} keyOf={(r) => r[0]} none={t('report.none')}
          columns={[[t('reason'), (r) => <code class="reason">{inert(r[0])}</code>, 'first'], [t('count'), (r) => number(r[1]), 'number'], [t('meaning'), (r) => reasonText(words, r[0])]]} />
      </Card>
    </>
  );
}

const shown = 50;

function Used({ id, title, list }) {
  return (
    <Card id={id} title={title}>
      <Rows label={title} rows={list.slice(0, shown)} keyOf={(u) => u.name} none={t('report.none')}
        columns={[[title, (u) => <Labelled name={u.name} label={u.label} />, 'first'], [t('lane.opened'), (u) => number(u.grants), 'number'], [t('lane.refused'), (u) => number(u.refusals), 'number'], [t('report.last'), (u) => <Time at={u.last} full />]]} />
      {list.length > shown && <p class="soft">{t('more', { n: list.length - shown })}</p>}
    </Card>
  );
}
