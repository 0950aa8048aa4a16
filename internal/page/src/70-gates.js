// What the page knows of a gate, and the texts that it learns it from.

const isAddress = (host) => /^(\d{1,3}\.){3}\d{1,3}$/.test(host) || (host.includes(':') && /^[0-9a-f:.]+$/i.test(host));

// Where a link may lead to when a door is open: nothing that runs in this page.
function serviceAddress(text) {
  if (!text) return '';
  let url;
  try { url = new URL(text); } catch { throw new Fault('bad-service', { text }); }
  if (!/^(https?|ssh|sftp|rdp|vnc):$/.test(url.protocol)) throw new Fault('bad-service', { text });
  return text;
}

function shapeOf(text) {
  const m = /^(\d+)[ ,](tcp|udp|both)[ ,](\d+)-(\d+)$/.exec(text || '');
  if (!m) throw new Fault('bad-link');
  const shape = { knocks: +m[1], first: +m[3], last: +m[4] };
  if (m[2] !== 'tcp') throw new Fault('udp-knocks');
  // The gate's own limits: with fewer ports a sequence might never be found.
  if (shape.knocks < 5 || shape.knocks > 16 || shape.last > 32767 || shape.first < 1 || shape.last - shape.first < 1023) throw new Fault('bad-link');
  return shape;
}

// fieldsOfLink reads a link, whole or from "sallyport:" on.
function fieldsOfLink(text) {
  const m = /sallyport:\/\/(\[[^\]]*\]|[^/?#]*)\?(\S*)$/.exec(text);
  if (!m) throw new Fault('bad-link');
  const q = new URLSearchParams(m[2]);
  return { host: m[1].replace(/^\[|\]$/g, ''), name: q.get('n'), doors: (q.get('d') || '').split(','), open: (q.get('o') || '').split(','),
    services: q.getAll('w'), rotating: q.get('s'), shape: q.get('r'), port: q.get('p'), server_key: q.get('k'), issued: q.get('t'), gate: q.get('g'), invite: q.get('i') };
}

// fieldsOfProfile reads what "sallyport client profile" prints.
function fieldsOfProfile(text) {
  const f = {};
  for (const line of text.trim().split(/\r?\n/).slice(1)) {
    const at = line.indexOf(' = ');
    if (at > 0) f[line.slice(0, at)] = line.slice(at + 3);
  }
  return { ...f, doors: (f.doors || '').split(', '), open: [], services: [] };
}

// readGate makes a gate of a link or a profile, or throws a Fault. What it
// returns can be kept: its secret is a key that cannot be read.
async function readGate(text) {
  text = text.trim();
  const f = text.startsWith('# sallyport profile v1') ? fieldsOfProfile(text) : fieldsOfLink(text);
  if (!f.host) throw new Fault('bad-link');
  if (!isAddress(f.host)) throw new Fault('no-address', { host: f.host });
  const gate = { id: f.host, host: f.host, name: (f.invite ? f.gate : f.name) || f.host, issued: 1000 * (f.issued || 0), ask: false, secret: null, shape: null, key: '', port: 0,
    named: f.gate || '', invite: null };
  gate.doors = f.doors.map((name, i) => ({ name, seconds: +f.open[i] || 0, service: serviceAddress(f.services[i] || ''), used: -1, until: 0, again: 0, state: '' }));
  if (f.rotating) {
    if (!/^([A-Z2-7]{8}){4,13}$/.test(f.rotating)) throw new Fault('bad-link');
    gate.shape = shapeOf(f.shape);
    gate.secret = await secretKey(f.rotating, gate.named);
  }
  if (f.server_key) await withKey(gate, f);
  if (f.invite) withInvite(gate, f);
  if (gate.secret ? gate.doors.some((d) => !d.name) : !gate.key) throw new Fault('bad-link');
  return gate;
}

// withKey adds what messages need. A key that the page cannot use is no harm
// where there is a sequence as well.
async function withKey(gate, f) {
  try {
    await serverKey(f.server_key);
  } catch (fault) {
    if (gate.secret && fault.key === 'key-hybrid' && !f.invite) return;
    throw fault;
  }
  const port = +f.port;
  if (!(port > 0 && port < 65536)) throw new Fault('bad-link');
  if (refused(port)) throw new Fault('refused-port', { port });
  Object.assign(gate, { key: f.server_key, port });
}

function withInvite(gate, f) {
  gate.invite = fromBase64url(f.invite);
  if (gate.invite.length !== 32 || !gate.key) throw new Fault('bad-link');
  try {
    gate.shape = f.shape ? shapeOf(f.shape) : null;
  } catch (fault) {
    if (fault.key !== 'udp-knocks') throw fault; // messages are enough
  }
}

// clockFault says what is wrong with the clock, as far as a page can know: it
// cannot be earlier than what has been written already.
function clockFault(gate, now) {
  const known = Math.max(gate.issued, Date.parse(document.querySelector('meta[name=made]').content) || 0);
  return known > now + 60000 ? new Fault('clock-behind', { now: new Date(now), known: new Date(known) }) : null;
}
