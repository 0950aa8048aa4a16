// What is worth a look, with what to do.
import { call } from '../lib/api.js';
import { say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { Ago, Answer, Badge, Card, Fault, Name, useAct, Why } from './basic.jsx';
import { inert } from '../lib/inert.js';

const shown = 20;

export function Findings({ state }) {
  const list = state.answers.findings?.findings ?? [];
  const more = (state.answers.findings?.more ?? 0) + Math.max(0, list.length - shown);
  return (
    <Card id="findings" title={t('findings')} count={list.length || undefined}>
      <Answer state={state} name="findings">
        {() => (list.length === 0 ? <p class="soft none">{t('findings.none')}</p> : (
          <ul class="findings">{list.slice(0, shown).map((f) => <Finding key={f.id} f={f} now={state.now} />)}</ul>
        ))}
      </Answer>
      {more > 0 && <p class="soft">{t('more', { n: more })}</p>}
    </Card>
  );
}

const tones = { critical: 'bad', high: 'bad', medium: 'warn', low: 'note', info: 'note' };

function Finding({ f, now }) {
  const [run, { busy, failure }] = useAct();
  const seen = async () => {
    await call('POST', '/v1/ack', { id: f.id });
    await load('findings');
  };
  return (
    <li class={`finding ${tones[f.severity] ?? 'note'}`} data-finding={inert(f.id)}>
      <p class="meta"><Badge tone={tones[f.severity]}>{t(`severity.${f.severity}`)}</Badge> <Ago at={f.last} now={now} /> <span class="soft">{t('times', { n: f.count })}</span>{f.source && <> <Why of={f.source} /></>}</p>
      <p><bdi>{inert(f.explanation)}</bdi></p>
      {f.advice && <p class="advice"><b>{t('todo.what')}</b> <bdi>{inert(f.advice)}</bdi></p>}
      {f.evidence?.length > 0 && <details><summary>{t('evidence')}</summary><ul>{f.evidence.map((e) => <li><Name text={e} code /></li>)}</ul></details>}
      {may('act') && <p><button type="button" class="small" data-act="ack" disabled={busy} onClick={() => run(seen, t('ack.done'))}>{t('ack')}</button></p>}
      <Fault failure={failure} />
    </li>
  );
}
