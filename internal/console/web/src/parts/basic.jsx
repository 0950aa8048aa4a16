// Small parts that all pages use.
import { useEffect, useState } from 'preact/hooks';
import { inert } from '../lib/inert.js';
import { say as t, shownDate, shownTime, spanText } from '../lib/lang.js';
import { say } from '../lib/store.js';
import { left, utc } from '../lib/time.js';

// Name shows text that others have chosen: apart from the direction of what is around
// it, and cut off where there is no room.
export function Name({ text, code = false }) {
  const shown = inert(text);
  return <bdi class={code ? 'name code' : 'name'} title={shown.length > 18 ? shown : undefined}>{shown}</bdi>;
}

// Labelled shows a label for people, and the name behind it.
export function Labelled({ name, label }) {
  return label ? <span class="labelled"><Name text={label} /> <span class="soft"><Name text={name} /></span></span> : <Name text={name} />;
}

export function Time({ at, full = false }) {
  const ms = typeof at === 'number' ? at : Date.parse(at);
  if (!(ms > 0)) return <span class="soft">{t('never')}</span>;
  return <time dateTime={new Date(ms).toISOString()} title={utc(ms)}>{shownTime(ms, full)}</time>;
}

// Left counts down. Screen readers hear the time of the end, not each second.
export function Left({ until, now }) {
  const ms = Date.parse(until);
  return (
    <span class="left">
      <span aria-hidden="true" title={utc(ms)}>{left(ms, now)}</span>
      <span class="hidden">{t('until', { time: shownTime(ms) })}</span>
    </span>
  );
}

export const Day = ({ at }) => <time dateTime={at} title={utc(Date.parse(at))}>{shownDate(Date.parse(at))}</time>;

export const Ago = ({ at, now }) => <time dateTime={at} title={utc(Date.parse(at))}>{t('ago', { span: spanText(Math.max(0, (now - Date.parse(at)) / 1000)) })}</time>;

export function Badge({ tone = '', children }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

// Fault says what did not work, in the words of who refused, and what to do.
export function Fault({ failure }) {
  if (!failure) return null;
  const [text, hint] = faultText(failure);
  return <div class="fault" role="alert"><p><bdi>{text}</bdi></p>{hint && <p class="hint"><bdi>{hint}</bdi></p>}</div>;
}

export function faultText(failure) {
  if (failure.status === 0) return [t('fault.network'), t('fault.knock')];
  if (failure.status === 502) return [t('state.daemon'), t('fault.daemon')];
  return [inert(failure.message || t('fault.other', { status: failure.status ?? '' })), failure.hint ? inert(failure.hint) : ''];
}

// useAct runs what the user has asked for, once at a time.
export function useAct() {
  const [state, setState] = useState({ busy: false, failure: null });
  const run = async (act, done) => {
    setState({ busy: true, failure: null });
    try {
      const result = await act();
      setState({ busy: false, failure: null });
      if (done) say(typeof done === 'function' ? done(result) : done);
      return true;
    } catch (failure) {
      setState({ busy: false, failure });
      return false;
    }
  };
  return [run, state];
}

const armedFor = 5000;

// Sure is a button for what cannot be undone: the first tap arms it, the second within
// five seconds acts.
export function Sure({ label, sure, act, done, small = true, name }) {
  const [armed, arm] = useState(false);
  const [run, { busy, failure }] = useAct();
  useEffect(() => {
    if (!armed) return undefined;
    const timer = setTimeout(() => arm(false), armedFor);
    return () => clearTimeout(timer);
  }, [armed]);
  const tap = () => {
    if (!armed) {
      arm(true);
      return;
    }
    arm(false);
    run(act, done);
  };
  return (
    <span class="sure">
      <button type="button" class={`${armed ? 'danger' : 'quiet-danger'} ${small ? 'small' : ''}`} data-act={name} disabled={busy} onClick={tap} onBlur={() => arm(false)}>
        {armed ? sure : label}
      </button>
      <span class="hidden" role="status">{armed ? t('sure.again') : ''}</span>
      <Fault failure={failure} />
    </span>
  );
}

// Card is a part of a page with a head.
export function Card({ title, count, aside, children, tone = '', id }) {
  return (
    <section class={`card ${tone}`} aria-labelledby={id} data-card={id}>
      <header><h2 id={id}>{title}{count === undefined ? null : <span class="count">{count}</span>}</h2>{aside}</header>
      {children}
    </section>
  );
}

// Answer shows what has been asked for, or why it is not there.
export function Answer({ state, name, children }) {
  const value = state.answers[name];
  if (value === undefined) return state.failures[name] ? <Fault failure={state.failures[name]} /> : <p class="soft loading">{t('asking')}</p>;
  return children(value);
}

// Rows is a table whose rows are cards on a small screen. Each column is
// [head, cell of a row, class].
export function Rows({ columns, rows, keyOf, none, label }) {
  if (rows.length === 0) return <p class="soft none">{none}</p>;
  const all = columns.filter(Boolean);
  return (
    <table class={all.length > 6 ? 'rows wide' : 'rows'} aria-label={label}>
      <thead><tr>{all.map(([head, , kind]) => <th scope="col" class={kind}>{head}</th>)}</tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)} data-row={inert(keyOf(row))}>{all.map(([head, cell, kind]) => <td data-head={typeof head === 'string' ? head : undefined} class={kind}>{cell(row)}</td>)}</tr>
        ))}
      </tbody>
    </table>
  );
}

// Field is an input with its label.
export function Field({ label, children, hint }) {
  return <label class="field"><span>{label}</span>{children}{hint && <small class="soft">{hint}</small>}</label>;
}

// Source leads to what is known of an address, a client or a door.
export const Why = ({ of, children }) => <a class="why" href={`#/why/${encodeURIComponent(of)}`} title={t('why.title')}>{children ?? <Name text={of} code />}</a>;
