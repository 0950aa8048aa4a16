// The page as it is seen. It is drawn whole from what is known, whenever that
// changes; only the countdowns move by themselves.

// el makes an element. Texts become text, never markup.
function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') e.addEventListener(name, value);
    else if (value !== false && value !== undefined) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.filter((c) => c !== '' && c !== null));
  return e;
}

const button = (text, click, kind = 'plain') => el('button', { type: 'button', class: kind, click }, text);

// A countdown is a line that changes each second, and becomes another one.
function countdown(key, until, after) {
  const line = el('p', { class: 'countdown' });
  line.tick = (now) => { line.textContent = until > now ? say(key, { left: left(until, now) }) : after; };
  line.tick(Date.now());
  return line;
}

function svgOf(rows, label) {
  const ns = 'http://www.w3.org/2000/svg', n = rows.length + 8; // with the quiet zone
  const svg = document.createElementNS(ns, 'svg'), path = document.createElementNS(ns, 'path');
  path.setAttribute('d', rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ''))).join(''));
  svg.setAttribute('viewBox', `0 0 ${n} ${n}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  svg.append(path);
  return svg;
}

const doorName = (door) => door.name || say('default-door');

function viewDoor(gate, door, act) {
  const now = Date.now(), { state } = door;
  const busy = state === 'knocking' || state === 'still-knocking';
  const lasting = (state === 'open' || state === 'sent') && (!door.until || door.until > now);
  return el('section', { class: `door ${lasting ? state : ''}`, 'data-door': door.name },
    el('button', { type: 'button', class: 'main', disabled: busy, click: () => act.open(gate, door) }, say(lasting ? 'open-again' : 'open', { door: doorName(door) })),
    el('div', { class: 'said', role: 'status' }, ...viewState(gate, door, act, lasting)));
}

function viewState(gate, door, act, lasting) {
  const lines = [], { state, until } = door, p = (text) => lines.push(el('p', {}, text));
  if (state === 'knocking' || state === 'still-knocking' || state === 'closed') p(say(state));
  if (state === 'fault') lines.push(el('p', { class: 'fault' }, door.fault));
  if (state === 'open' && lasting) p(door.seen ? say('opened', door) : say('opened-here'));
  if (state === 'sent' && lasting) p(say('sent'));
  if (until && (state === 'open' || state === 'sent')) lines.push(countdown(state === 'open' ? 'until' : 'sent-until', until, say('over')));
  if (door.again > Date.now()) lines.push(countdown('again', door.again, ''));
  if (lasting && door.service) p(el('a', { href: door.service, target: '_blank', rel: 'noopener noreferrer' }, say('service', door)));
  if (lasting && state === 'open') lines.push(button(say('close'), () => act.close(gate, door)));
  if (lasting && state === 'sent') lines.push(el('details', {}, el('summary', {}, say('sent-help')), el('p', {}, say('sent-advice', { now: new Date() }))));
  return lines;
}

function viewGate(gate, act) {
  const ask = el('input', { type: 'checkbox', checked: gate.ask, change: () => act.set(gate, (g) => { g.ask = ask.checked; }) });
  const services = gate.doors.map((door) => el('input', { type: 'url', value: door.service, placeholder: 'https://' }));
  const saved = (event) => {
    event.preventDefault();
    act.services(gate, services.map((s) => s.value.trim()));
  };
  return el('article', { class: 'gate', 'data-gate': gate.id },
    el('h2', {}, gate.name), gate.name === gate.host ? '' : el('p', { class: 'host' }, gate.host),
    ...gate.doors.map((door) => viewDoor(gate, door, act)),
    el('details', { class: 'settings' }, el('summary', {}, say('settings')),
      el('label', { class: 'check' }, ask, say('ask')),
      el('form', { submit: saved }, ...gate.doors.map((door, i) => el('label', {}, say('service-of', { door: doorName(door) }), services[i])),
        el('button', { class: 'plain' }, say('save'))),
      gate.builtin ? el('p', {}, say('builtin')) : button(say('remove'), () => act.remove(gate))));
}

function viewAdd(act) {
  const text = el('textarea', { rows: 3, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', id: 'link' });
  // What browsers show for a file is in their own language, so a button stands in for it.
  const file = el('input', { type: 'file', hidden: true, change: async () => file.files[0] && act.offer(await file.files[0].slice(0, 16384).text()) });
  const look = (event) => {
    event.preventDefault();
    act.offer(text.value);
  };
  return el('form', { class: 'add', submit: look }, el('h2', {}, say('add')), el('p', {}, say('add-help')),
    el('label', {}, say('add-label'), text), el('button', { class: 'plain' }, say('add-paste')), button(say('add-file'), () => file.click()), file);
}

function viewKey(device, act) {
  return el('details', { class: 'key' }, el('summary', {}, say('key')), el('p', {}, say('key-help')),
    el('code', { id: 'key' }, device.line), button(say('copy'), () => act.copy(device.line)),
    el('p', {}, el('code', {}, ...say('key-command').split(' ').flatMap((w) => [el('span', { class: 'word' }, w), ' ']))), device.line.length > 230 ? '' : svgOf(qrCode(device.line), say('key-qr')),
    device.passkey || !hasPasskeys() ? '' : el('div', { id: 'passkey' }, el('p', {}, say('passkey-help')), button(say('passkey-make'), act.passkey)));
}

// viewQuestion stands in for confirm(), which looks different everywhere.
const viewQuestion = ({ text, more, yes, no, answer }) => el('section', { class: 'question', role: 'alertdialog', 'aria-label': text },
  el('p', {}, el('strong', {}, text)), more ? el('p', {}, more) : '', button(yes, () => answer(true), 'main'), button(no, () => answer(false)));
