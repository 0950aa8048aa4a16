// Rotating sequences: docs/PROTOCOL.md, section 11.

const period = 30;
const stepAt = (ms) => Math.floor(ms / 1000 / period);

const hmacKey = (bytes) => crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);

// secretKey keeps a secret, for a gate of that name, where no script can read it any more.
async function secretKey(text, gate = '') {
  if (!gate) return hmacKey(utf8(text));
  const derived = await hmac(utf8(text), utf8('sallyport gate v1 ' + gate));
  return hmacKey(utf8(Array.from(derived, (b) => b.toString(16).padStart(2, '0')).join('')));
}

// What one browser or another sends nothing to: no sequence has these.
const refusedPorts = new Set([1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566,
  6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080]);
const refused = (port) => port < 1024 || refusedPorts.has(port);

// sequenceOf returns the ports of a step: TCP all of them.
async function sequenceOf(secret, shape, door, step) {
  const ports = [];
  for (let i = 0; ; i++) {
    const text = utf8(`sallyport rotating v1 ${door} ${step} ${i}`);
    const block = new DataView(await crypto.subtle.sign('HMAC', secret, text));
    for (let at = 0; at < 32; at += 2) {
      const port = block.getUint16(at) & 32767;
      if (port < shape.first || port > shape.last || port === ports.at(-1) || refused(port)) continue;
      if (ports.push(port) === shape.knocks) return ports;
    }
  }
}

// nextFree is the first step after the used one that a gate takes now, or -1. It
// takes the next step as well, so a tap that came to nothing need not wait.
function nextFree(used, now) {
  const step = Math.max(stepAt(now), used + 1);
  return step <= stepAt(now) + 1 ? step : -1;
}
