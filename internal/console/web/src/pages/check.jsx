// What is weak in the configuration in force, on this host; and the server's keys.
import { inert } from '../lib/inert.js';
import { say as t } from '../lib/lang.js';
import { Answer, Badge, Card, Name, Rows, Time } from '../parts/basic.jsx';

const tones = { error: 'bad', high: 'bad', warning: 'warn', medium: 'warn', note: 'note', low: 'note' };

export function Check({ state }) {
  return (
    <>
      <h1>{t('page.check')}</h1>
      <Card id="lint" title={t('check.title')} count={state.answers.lint?.problems.length || undefined}>
        <Answer state={state} name="lint">
          {(a) => (
            <>
              <p class="soft">{t('check.at')} <Time at={a.at} /></p>
              {a.problems.length === 0 ? <p class="soft none">{t('check.none')}</p> : <ul class="findings">{a.problems.map((p) => <Problem p={p} />)}</ul>}
              {a.notes.map((n) => <p class="soft"><bdi>{inert(n)}</bdi></p>)}
            </>
          )}
        </Answer>
      </Card>
      <Card id="keys" title={t('keys.title')}>
        <Answer state={state} name="keys">
          {(a) => (
            <Rows label={t('keys.title')} rows={a.keys} keyOf={(k) => k.suite} none={t('keys.none')}
              columns={[[t('keys.suite'), (k) => <Name text={k.suite} />, 'first'], [t('keys.fingerprint'), (k) => <Name text={k.fingerprint} code />], [t('keys.previous'), (k) => (k.previous ? <><Name text={k.previous} code /> {t('keys.until')} <Time at={k.previous_until} full /></> : <span class="soft">–</span>)]]} />
          )}
        </Answer>
      </Card>
    </>
  );
}

function Problem({ p }) {
  return (
    <li class={`finding ${tones[p.severity] ?? 'note'}`}>
      <p class="meta"><Badge tone={tones[p.severity]}>{t.has(`severity.${p.severity}`) ? t(`severity.${p.severity}`) : inert(p.severity)}</Badge> <code class="reason">{inert(p.rule)}</code> {p.file && <span class="soft"><Name text={p.line ? `${p.file}:${p.line}` : p.file} code /></span>}</p>
      <p><bdi>{inert(p.text)}</bdi></p>
      {p.remedy && <p class="advice"><b>{t('todo.what')}</b> <bdi>{inert(p.remedy)}</bdi></p>}
    </li>
  );
}
