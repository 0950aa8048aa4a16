// Passkeys, and logging out.
import { call } from '../lib/api.js';
import { inert } from '../lib/inert.js';
import { durationText, say as t } from '../lib/lang.js';
import { load } from '../lib/load.js';
import { create, possible } from '../lib/passkey.js';
import { logOut } from '../lib/session.js';
import { Answer, Card, Fault, Field, Name, Rows, Sure, Time, useAct } from '../parts/basic.jsx';

export function Account({ state }) {
  const { user, rights, idle, passkeys, origin } = state.session;
  const [run, { busy, failure }] = useAct();
  return (
    <>
      <h1>{t('page.account')}</h1>
      <Card id="who" title={t('account.who')}>
        <p><Name text={user} />: {t(`rights.${rights}`)}. {t(`rights.${rights}.means`)}</p>
        {idle > 0 && <p class="soft">{t('account.idle', { span: durationText(idle) })}</p>}
        <p><button type="button" data-act="logout" disabled={busy} onClick={() => run(logOut)}>{t('logout')}</button> <span class="soft">{t('logout.everywhere')}</span></p>
        <Fault failure={failure} />
      </Card>
      <Card id="passkeys" title={t('passkeys')}>
        {passkeys && possible() ? <Passkeys state={state} /> : <p class="soft">{t('passkeys.not', { origin: inert(origin ?? location.origin) })}</p>}
      </Card>
    </>
  );
}

function Passkeys({ state }) {
  const [run, { busy, failure }] = useAct();
  const submit = (e) => {
    e.preventDefault();
    const form = e.currentTarget, name = new FormData(form).get('name').trim();
    run(async () => {
      const credential = await create(await call('POST', '/passkeys/begin', {}));
      await call('POST', '/passkeys/finish', { name, credential });
      form.reset();
      load('passkeys');
    }, t('passkeys.made'));
  };
  return (
    <>
      <Answer state={state} name="passkeys">
        {(a) => (
          <Rows label={t('passkeys')} rows={Array.isArray(a) ? a : a.passkeys ?? []} keyOf={(p) => p.id} none={t('passkeys.none')}
            columns={[[t('name'), (p) => <Name text={p.name} />, 'first'], [t('passkeys.date'), (p) => <Time at={p.made} full />], [t('passkeys.used'), (p) => <Time at={p.used} full />],
              [<span class="hidden">{t('act')}</span>, (p) => <Sure name="passkey-remove" label={t('remove')} sure={t('remove.sure')} act={async () => { await call('DELETE', `/passkeys/${encodeURIComponent(p.id)}`); load('passkeys'); }} done={t('passkeys.removed')} />, 'acts']]} />
        )}
      </Answer>
      <form class="line" onSubmit={submit}>
        <Field label={t('name')}><input name="name" required maxLength={64} autocomplete="off" /></Field>
        <button class="main" data-act="passkey-add" disabled={busy}>{t('passkeys.add')}</button>
      </form>
      <Fault failure={failure} />
    </>
  );
}
