// The first screen: is everything closed, who is in, until when, who is trying, what
// should I do.
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { number, say as t, shownTime } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { may } from '../lib/session.js';
import { summary } from '../lib/state.js';
import { Fault, useAct } from '../parts/basic.jsx';
import { Asks } from '../parts/asks.jsx';
import { Spark } from '../parts/chart.jsx';
import { Findings } from '../parts/findings.jsx';
import { Grants } from '../parts/grants.jsx';
import { Happenings } from '../parts/happenings.jsx';
import { Timeline } from '../parts/timeline.jsx';

export function Now({ state }) {
  return (
    <>
      <State state={state} />
      <Asks state={state} />
      <div class="overview">
        <Grants state={state} />
        <Findings state={state} />
        <Timeline state={state} />
        <Happenings state={state} />
      </div>
    </>
  );
}

function State({ state }) {
  const { status } = state.answers;
  const { tone, key, values } = summary({ link: state.link, status, now: state.now });
  return (
    <section class={`card state ${tone}`} data-state={key} aria-labelledby="state">
      <Shield tone={tone} />
      <div class="sentence">
        <h1 id="state">{t(key, values)}</h1>
        {status && <p class="soft">{t('state.since', { version: inert(status.version), time: shownTime(Date.parse(status.started)) })}</p>}
        {key === 'state.trial' && <Confirm />}
        {status?.problems.length > 0 && <Problems list={status.problems} />}
      </div>
      <Junk state={state} />
    </section>
  );
}

function Problems({ list }) {
  return <ul class="problems">{list.slice(0, 10).map((p) => <li><bdi>{inert(p)}</bdi></li>)}</ul>;
}

function Confirm() {
  const [run, { busy, failure }] = useAct();
  if (!may('admin')) return <p>{t('trial.command')} <code>sallyport confirm</code></p>;
  const keep = async () => {
    await call('POST', '/v1/confirm', {});
    await load('status');
  };
  return <><p><button type="button" class="main" data-act="confirm" disabled={busy} onClick={() => run(keep, t('trial.kept'))}>{t('trial.keep')}</button></p><Fault failure={failure} /></>;
}

function Junk({ state }) {
  const points = state.rates.latest(120).reverse();
  const last = points.at(-1)?.rate;
  const rate = last === undefined ? '–' : number(last < 10 ? Math.round(last * 10) / 10 : Math.round(last));
  return (
    <div class="junk" title={t('junk.title')}>
      <p><b>{rate}</b> <span class="soft">{t('junk')}</span></p>
      <Spark points={points} label={t('junk.label', { rate })} />
    </div>
  );
}

// Shield repeats in a picture what the sentence says.
const Shield = ({ tone }) => (
  <svg class="shield" viewBox="0 0 48 48" aria-hidden="true">
    <path class="shape" d="M24 3l17 6v12c0 11-7 19-17 24C14 40 7 32 7 21V9z" />
    {tone === 'good' && <path class="mark" d="M16 24l6 6 11-12" />}
    {tone === 'open' && <path class="mark" d="M19 32V18a5 5 0 0 1 10 0v14zM26 25v2" />}
    {(tone === 'warn' || tone === 'bad') && <path class="mark" d="M24 14v13M24 32v2" />}
  </svg>
);

