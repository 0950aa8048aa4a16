// The page comes to life.

const app = { store: null, device: null, passkey: null, gates: [], question: null, notice: '', fault: '' };

function draw() {
  document.documentElement.lang = language;
  const kept = new Set(Array.from(document.querySelectorAll('details[open]'), place));
  const main = document.querySelector('main');
  main.replaceChildren(
    el('header', {}, el('h1', {}, say('title')), button(say('language'), switchLanguage)), el('p', { class: 'lead' }, say('lead')),
    app.store.keeps ? '' : el('p', { class: 'fault', id: 'not-kept' }, say('not-kept')),
    el('div', { role: 'status', id: 'notice' }, app.fault ? el('p', { class: 'fault' }, app.fault) : '', app.notice ? el('p', {}, app.notice) : ''),
    app.question ? viewQuestion(app.question) : '',
    ...app.gates.map((gate) => viewGate(gate, act)),
    app.gates.length ? '' : el('p', { id: 'no-gates' }, say('no-gates')),
    viewAdd(act), viewKey(app.passkey || app.device, act));
  for (const d of main.querySelectorAll('details')) d.open = kept.has(place(d));
}

// place names a details element, so that it stays open when the page is drawn again.
const place = (d) => d.className + (d.closest('[data-gate]')?.dataset.gate || '') + (d.closest('[data-door]')?.dataset.door || '');

function ask(text, yes, no, more) {
  return new Promise((done) => {
    app.question?.answer(false);
    app.question = { text, yes, no, more, answer: (value) => { app.question = null; draw(); done(value); } };
    draw();
    document.querySelector('.question button').focus();
  });
}

async function reload() {
  const now = new Map(app.gates.flatMap((g) => g.doors.map((d) => [g.id + ' ' + d.name, d])));
  app.gates = (await app.store.gates()).sort((a, b) => a.name.localeCompare(b.name));
  for (const gate of app.gates) {
    gate.doors = gate.doors.map((d) => {
      const was = now.get(gate.id + ' ' + d.name);
      return was && /knocking|fault/.test(was.state) ? { ...d, state: was.state, fault: was.fault } : d;
    });
  }
  draw();
}

async function report(work) {
  app.fault = app.notice = '';
  try {
    await work();
  } catch (fault) {
    app.fault = sayFault(fault);
    draw();
  }
}

// keep writes what has come of a knock, and shows it.
async function keep(gate, door, result) {
  await app.store.change(gate.id, (g) => {
    const d = g.doors.find((d) => d.name === door.name);
    if (d) Object.assign(d, result);
  });
  show(gate, door, result);
}

function show(gate, door, result) {
  const d = app.gates.find((g) => g.id === gate.id)?.doors.find((d) => d.name === door.name);
  if (d) Object.assign(d, result);
  draw();
}

async function attempt(gate, door, work) {
  show(gate, door, { state: 'knocking' });
  try {
    await keep(gate, door, await work());
  } catch (fault) {
    show(gate, door, { state: 'fault', fault: sayFault(fault) });
  }
}

// identityOf is what the gate knows this device by: what the page showed when it was added.
const identityOf = (gate) => (gate.passkey && app.passkey) || app.device;

const act = {
  open: (gate, door) => report(async () => {
    if (gate.ask && !await ask(say('confirm-open', { name: gate.name, door: doorName(door) }), say('confirm-yes'), say('no'))) return;
    await attempt(gate, door, () => openDoor(app.store, identityOf(gate), gate, door, () => show(gate, door, { state: 'still-knocking' })));
  }),
  close: (gate, door) => attempt(gate, door, async () => {
    if (await sendRequest(identityOf(gate), gate, door.name, CLOSE, () => {}) === null) throw new Fault('silence', { now: new Date() });
    return { state: 'closed', until: 0, seen: '' };
  }),
  set: (gate, change) => report(async () => {
    if (await app.store.change(gate.id, (g) => { change(g); return true; }) !== true) throw new Fault('gone');
    await reload();
  }),
  services: (gate, list) => report(async () => {
    const checked = list.map(serviceAddress);
    await act.set(gate, (g) => checked.forEach((service, i) => { g.doors[i].service = service; }));
  }),
  remove: (gate) => report(async () => {
    if (!await ask(say('confirm-remove', gate), say('remove-yes'), say('cancel'))) return;
    await app.store.remove(gate.id);
    await reload();
  }),
  offer: (text) => report(async () => {
    const gate = await readGate(text);
    const clock = clockFault(gate, Date.now());
    const old = app.gates.find((g) => g.id === gate.id);
    const question = old ? 'confirm-replace' : app.gates.length ? 'confirm-other' : 'confirm-add';
    const more = say('confirm-doors', { host: gate.host, doors: gate.doors.map(doorName).join(', ') }) + (clock ? ' ' + sayFault(clock) : '');
    if (!gate.invite && !await ask(say(question, gate), say(old ? 'replace' : 'yes'), say('no'), more)) return;
    const enrolled = gate.invite ? await enrolAsking(gate, more) : gate;
    if (!enrolled) return;
    await app.store.put({ ...enrolled, passkey: !!app.passkey && !gate.invite });
    await reload();
    app.notice = say('added', gate);
    draw();
  }),
  passkey: () => report(async () => {
    const kept = await makePasskey();
    await app.store.setOwn('passkey', kept);
    app.passkey = passkeyIdentity(kept);
    app.notice = say('passkey-made');
    draw();
  }),
  copy: (text) => report(async () => {
    await navigator.clipboard.writeText(text);
    app.notice = say('copied');
    draw();
  }),
};

// enrolAsking uses an invite until that has worked or the user has had enough.
// The link is gone from the address, so a failure must not lose it.
async function enrolAsking(gate, more) {
  for (let yes = 'enrol'; await ask(say('confirm-enrol', gate), say(yes), say('no'), more); yes = 'enrol-again') {
    app.fault = '';
    app.notice = say('enrolling');
    draw();
    try {
      return await enrol(app.device, gate, () => { app.notice = say('still-knocking'); draw(); });
    } catch (fault) {
      app.fault = sayFault(fault);
    }
    app.notice = '';
  }
  return null;
}

async function switchLanguage() {
  language = language === 'en' ? 'ja' : 'en';
  await app.store.setOwn('language', language);
  app.notice = app.fault = '';
  draw();
}

// choose shows the door that a shortcut names, "door=ssh" or "door=ssh&gate=203.0.113.1":
// robots and previews open links, so knocking takes a tap.
function choose(text) {
  const wanted = new URLSearchParams(text), name = wanted.get('door'), host = wanted.get('gate');
  const gate = app.gates.find((g) => (!host || g.host === host || g.name === host) && g.doors.some((d) => d.name === name));
  const section = gate && Array.from(document.querySelectorAll('[data-door]')).find((s) => s.dataset.door === name && s.closest('[data-gate]').dataset.gate === gate.id);
  if (!section) return report(() => { throw new Fault('no-door', { door: name }); });
  section.classList.add('chosen');
  section.scrollIntoView({ block: 'center' });
  section.querySelector('button').focus();
}

// A link is taken out of the address at once: histories, screenshots and synchronised tabs keep addresses.
function takeLink() {
  const link = location.hash.slice(1);
  if (!link || isShortcut(link)) return link;
  history.replaceState(null, '', location.pathname + location.search);
  try { return decodeURI(link); } catch { return link; }
}

const isShortcut = (link) => link.startsWith('door=');

const offerLink = () => {
  const link = takeLink();
  if (isShortcut(link)) choose(link);
  else if (link) act.offer(link);
};

// builtIn adds the gates that the file itself holds.
async function builtIn() {
  const known = new Set((await app.store.gates()).map((g) => g.id));
  for (const text of JSON.parse(document.getElementById('gates').textContent)) {
    const gate = await readGate(text);
    if (!known.has(gate.id)) await app.store.put({ ...gate, builtin: true });
  }
}

function refuse(key) {
  document.documentElement.lang = language;
  document.querySelector('main').replaceChildren(el('h1', {}, say('title')), el('p', { class: 'fault', id: key }, say(key)));
}

async function start() {
  language = (navigator.languages || []).map((l) => l.slice(0, 2)).find((l) => l in texts) || 'en';
  if (self !== top) return refuse('framed');
  if (!self.crypto?.subtle) return refuse('no-crypto');
  app.store = await openStore();
  language = await app.store.own('language') || language;
  app.device = await deviceKey(app.store);
  const passkey = hasPasskeys() && await app.store.own('passkey');
  if (passkey) app.passkey = passkeyIdentity(passkey);
  await report(builtIn);
  const fault = app.fault;
  await reload();
  addEventListener('hashchange', offerLink);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && report(reload));
  setInterval(() => document.querySelectorAll('.countdown').forEach((line) => line.tick(Date.now())), 1000);
  if (!self.RTCPeerConnection) app.fault = say('no-webrtc');
  if (fault || app.fault) { app.fault ||= fault; draw(); }
  offerLink();
}
