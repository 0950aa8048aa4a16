// Hours, and how old a secret is.
import { inert } from '../lib/inert.js';
import { say as t, shownDate, shownTime, spanText } from '../lib/lang.js';
import { utc } from '../lib/time.js';
import { Badge } from './basic.jsx';

export function HoursOf({ hours }) {
  if (!hours) return <span class="soft">{t('hours.always')}</span>;
  return <span><bdi>{inert(hours.text)}</bdi> {hours.open ? <span class="soft">{hours.until ? t('until', { time: shownTime(Date.parse(hours.until)) }) : ''}</span> : <Badge tone="quiet">{t('hours.closed')}</Badge>}</span>;
}

export function Age({ secret, now }) {
  const changed = Date.parse(secret.changed ?? '');
  return (
    <span>
      {changed > 0 ? <time dateTime={secret.changed} title={utc(changed)}>{t('old', { span: spanText(Math.max(0, (now - changed) / 1000)) })}</time> : <span class="soft">{t('old.unknown')}</span>}
      {secret.overdue && <> <Badge tone="warn">{t('overdue')}</Badge></>}
      {secret.due && !secret.overdue && <span class="soft"> {t('due', { time: shownDate(Date.parse(secret.due)) })}</span>}
    </span>
  );
}
