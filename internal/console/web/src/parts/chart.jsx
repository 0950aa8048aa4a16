// Bars by time, in three lanes. One bar can be chosen, with the pointer or the arrow
// keys, and is then described in words.
import { useState } from 'preact/hooks';
import { lanes } from '../lib/bars.js';
import { number, say as t, shownTime } from '../lib/lang.js';

const high = 100;

// height of a bar: square roots, so that one flood does not hide the rest.
const height = (count, most) => (count ? Math.max(9, Math.sqrt(count / Math.max(most, 4)) * high) : 0);

export function Chart({ data, partial, choose }) {
  const [at, setAt] = useState(null);
  const i = at === null ? null : Math.min(at, data.n - 1);
  const from = (bar) => data.since + bar * data.width;
  const text = i === null ? t('chart.choose') : t('chart.bar', { from: shownTime(from(i)), until: shownTime(from(i + 1)), opened: number(data.opened.bars[i]), refused: number(data.refused.bars[i]), touched: number(data.touched.bars[i]) });
  const key = (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -data.n, End: data.n }[e.key];
    if (e.key === 'Enter' && i !== null) choose(from(i), from(i + 1));
    if (!step) return;
    e.preventDefault();
    setAt((old) => Math.max(0, Math.min(data.n - 1, (old ?? data.n) + step)));
  };
  const under = (e) => {
    const box = e.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(data.n - 1, Math.floor(((e.clientX - box.left) / box.width) * data.n)));
  };
  return (
    <div class="chart">
      {lanes.map((lane) => <p class={`lane-name ${lane}`} key={lane}><span class="dot" aria-hidden="true" /> {t(`lane.${lane}`)} <b>{number(data[lane].total)}</b></p>)}
      <div class="lanes" role="slider" tabIndex={0} aria-label={t('chart.label')} aria-valuemin={0} aria-valuemax={data.n - 1} aria-valuenow={i ?? data.n - 1} aria-valuetext={text}
        onKeyDown={key} onPointerMove={(e) => setAt(under(e))} onPointerLeave={() => setAt(null)} onClick={(e) => choose(from(under(e)), from(under(e) + 1))}>
        {lanes.map((lane) => <Lane key={lane} name={lane} {...data[lane]} n={data.n} chosen={i} partial={partial ? (partial - data.since) / data.width : 0} />)}
      </div>
      <p class="axis" aria-hidden="true"><span>{shownTime(data.since)}</span><span>{shownTime(from(data.n / 2))}</span><span>{shownTime(from(data.n))}</span></p>
      <p class="told soft">{text}</p>
    </div>
  );
}

function Lane({ name, bars, most, n, chosen, partial }) {
  return (
    <svg class={`lane ${name}`} viewBox={`0 0 ${n * 10} ${high}`} preserveAspectRatio="none" aria-hidden="true">
      {bars.map((count, i) => <rect key={`t${i}`} class={i === chosen ? 'track chosen' : i < partial - 0.5 ? 'track unknown' : 'track'} x={i * 10 + 1.5} width={7} y={0} height={high} />)}
      {bars.map((count, i) => (count ? <rect key={`b${i}`} class="bar" x={i * 10 + 1.5} width={7} y={high - height(count, most)} height={height(count, most)} /> : null))}
    </svg>
  );
}

// Spark is a line of rates.
export function Spark({ points, label }) {
  if (points.length < 2) return <svg class="spark" viewBox="0 0 240 40" role="img" aria-label={label} />;
  const most = Math.max(...points.map((p) => p.rate), 1);
  const x = (i) => ((i / (points.length - 1)) * 240).toFixed(1), y = (p) => (38 - (p.rate / most) * 34).toFixed(1);
  const line = points.map((p, i) => `${x(i)},${y(p)}`).join(' ');
  return (
    <svg class="spark" viewBox="0 0 240 40" preserveAspectRatio="none" role="img" aria-label={label}>
      <polygon points={`${x(0)},40 ${line} ${x(points.length - 1)},40`} />
      <polyline points={line} />
    </svg>
  );
}
