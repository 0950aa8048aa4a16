// Nobody is logged in here, or no longer.
import { say as t } from '../lib/lang.js';
import { call } from '../lib/api.js';
import { get as credential, possible } from '../lib/passkey.js';
import { enter } from '../lib/session.js';
import { Fault, useAct } from '../parts/basic.jsx';

export function Login({ state }) {
  const [run, { busy, failure }] = useAct();
  if (state.phase === 'starting') {
    return state.link === 'away' ? <div class="way" id="way"><Fault failure={{ status: 0 }} /></div> : <p class="soft loading">{t('asking')}</p>;
  }
  const passkey = async () => {
    const options = await call('POST', '/passkey/begin', {});
    enter(await call('POST', '/passkey/finish', await credential(options)));
  };
  const proxy = async () => enter(await call('POST', '/session', { link: '' }));
  const replace = async () => enter(await call('POST', '/session', { link: state.offered, replace: true }));
  return (
    <section class="card login">
      <h1>{t('login.title')}</h1>
      {state.offered ? <p class="fault" role="alert">{t('login.already')}</p> : state.why?.status === 401 ? <p class="fault" role="alert">{t('login.over')}</p> : <Fault failure={state.why} />}
      {state.offered && <p><button type="button" class="main" data-act="replace" disabled={busy} onClick={() => run(replace)}>{t('login.replace')}</button></p>}
      {state.ways.includes('proxy') && <p><button type="button" class="main" data-act="proxy" disabled={busy} onClick={() => run(proxy)}>{t('login.proxy')}</button></p>}
      {possible() && <p><button type="button" class="main" data-act="passkey" disabled={busy} onClick={() => run(passkey)}>{t('login.passkey')}</button></p>}
      <Fault failure={failure} />
      <p>{t('login.link')}</p>
      <pre><code>sallyport console login</code></pre>
      <p class="soft">{t('login.once')}</p>
    </section>
  );
}
