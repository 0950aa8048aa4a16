// The frame of all pages: where one is, whether what is shown is true, and who looks.
import { useEffect, useErrorBoundary, useReducer, useRef, useState } from 'preact/hooks';
import { inert } from './lib/inert.js';
import { say as t, language, speak } from './lib/lang.js';
import { want } from './lib/load.js';
import { get, listen } from './lib/store.js';
import { applyTheme, theme, themes } from './lib/theme.js';
import { Fault, Name } from './parts/basic.jsx';
import { Login } from './pages/login.jsx';
import { Now } from './pages/now.jsx';
import { Doors } from './pages/doors.jsx';
import { Clients } from './pages/clients.jsx';
import { Journal } from './pages/journal.jsx';
import { WhyPage } from './pages/why.jsx';
import { Report } from './pages/report.jsx';
import { Check } from './pages/check.jsx';
import { Bans } from './pages/bans.jsx';
import { Account } from './pages/account.jsx';

// Each page: its part, and the answers that it shows.
const pages = {
  now: [Now, ['doors']],
  doors: [Doors, ['doors']],
  clients: [Clients, ['clients', 'doors', 'keys']],
  journal: [Journal, []],
  bans: [Bans, ['bans']],
  report: [Report, []],
  check: [Check, ['lint', 'keys']],
  account: [Account, ['passkeys']],
  why: [WhyPage, ['doors']],
};

const inMenu = Object.keys(pages).filter((p) => p !== 'why');

// where reads the address: a page, and what comes behind it.
function where() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  const [page, ...rest] = path.split('/');
  return { page: Object.hasOwn(pages, page) ? page : 'now', rest: rest.map(decode).join('/'), search: search ?? '' };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function App() {
  const [, redraw] = useReducer((n) => n + 1, 0);
  const [place, setPlace] = useState(where);
  const main = useRef(null);
  const state = get();
  useEffect(() => listen(redraw), []);
  useEffect(() => {
    const moved = () => {
      setPlace(where());
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    };
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }, []);
  useEffect(() => { if (state.phase === 'in') want(pages[place.page][1]); }, [place.page, state.phase, state.session?.user]);
  useEffect(() => {
    document.documentElement.lang = language();
    const gate = state.session?.gate;
    document.title = [state.phase === 'in' ? t(`page.${place.page}`) : t('login.title'), gate, 'Sallyport'].filter(Boolean).join(' · ');
  });
  const [Page] = pages[place.page];
  return (
    <div class={`frame ${state.phase}`}>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>{t('skip')}</a>
      <Head state={state} place={place} redraw={redraw} />
      <main id="main" ref={main} tabIndex={-1} data-page={state.phase === 'in' ? place.page : state.phase}>
        {state.phase === 'in' ? <><Way state={state} /><Caught key={place.page + place.rest}><Page state={state} rest={place.rest} search={place.search} /></Caught></> : <Login state={state} />}
      </main>
      <Said state={state} />
    </div>
  );
}

// Caught says that a page cannot be shown, in place of one that stands still.
function Caught({ children }) {
  const [error, again] = useErrorBoundary();
  if (!error) return children;
  return <><Fault failure={{ message: t('broken', { error: inert(error.message) }) }} /><p><button type="button" onClick={again}>{t('again')}</button></p></>;
}

function Head({ state, place, redraw }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [place]);
  const findings = state.answers.findings?.findings.length, asks = state.answers.asks?.asks.length;
  const counts = { now: (findings || 0) + (asks || 0) };
  return (
    <header class="head">
      <p class="brand"><Logo /><span>Sallyport</span>{state.session && <span class="gate"><Name text={state.session.gate} /></span>}</p>
      {state.phase === 'in' && (
        <button type="button" class="menu small" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}>{t('menu')}</button>
      )}
      {state.phase === 'in' && (
        <nav id="nav" class={open ? 'open' : ''} aria-label={t('menu')}>
          {inMenu.map((p) => (
            <a href={`#/${p}`} aria-current={p === place.page ? 'page' : undefined}>
              {t(`page.${p}`)}{counts[p] > 0 && <span class="count" aria-label={t('todo', { n: counts[p] })}>{counts[p]}</span>}
            </a>
          ))}
        </nav>
      )}
      <div class="tools">
        {state.session && <p class="who"><Name text={state.session.user} /> <span class="soft">{t(`rights.${state.session.rights}`)}</span></p>}
        <Switches redraw={redraw} />
      </div>
    </header>
  );
}

function Switches({ redraw }) {
  const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
  return (
    <p class="switches">
      <button type="button" class="small plain" data-act="language" lang={language() === 'en' ? 'ja' : 'en'} onClick={() => { speak(language() === 'en' ? 'ja' : 'en'); redraw(); want([]); }}>{t('other')}</button>
      <button type="button" class="small plain" data-act="theme" onClick={() => { applyTheme(next); redraw(); }}>
        <span class="hidden">{t('theme')} </span>{t(`theme.${theme()}`)}
      </button>
    </p>
  );
}

const Logo = () => (
  <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true"><rect width="32" height="32" rx="7" class="logo" /><path d="M9 26V14a7 7 0 0 1 14 0v12z" fill="none" stroke="#fff" stroke-width="2.5" stroke-linejoin="round" /><circle cx="19" cy="19" r="1.6" fill="#fff" /></svg>
);

// Way says that nothing new can be known, and what helps.
function Way({ state }) {
  if (state.link !== 'away' && state.link !== 'daemon') return null;
  return <div class="way" id="way"><Fault failure={{ status: state.link === 'away' ? 0 : 502 }} /></div>;
}

function Said({ state }) {
  return <div class="said" role="status">{state.said && <p class={state.said.bad ? 'bad' : ''}><bdi>{state.said.text}</bdi></p>}</div>;
}

