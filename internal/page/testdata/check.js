// Compares the page's cryptography with published vectors and ours. vectors,
// sequences and codes are put before this script; what is wrong becomes the text.

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (b) => parseInt(b, 16));
const faults = [];
let checked = 0;
function equal(what, got, want) {
  checked++;
  if (got !== want) faults.push(`${what}: got ${got}, want ${want}`);
}

async function checkMessages() {
  for (const v of vectors) {
    const key = await serverKey(v.server_public);
    const { r, x25519: e } = v.random, { op, flags, door, time, seconds, bound } = v.request;
    let made;
    if (op === ENROL) {
      made = await makeEnrolment({ kind: v.kind, short: unhex(v.new_key) }, unhex(v.client_seed), key, time, flags, unhex(r), unhex(e));
      equal(v.name + ', secret', made.rotating, v.rotating);
    } else {
      const request = { publicKey: key, op, flags, door, time, seconds, bound: v.bound16 && unhex(v.bound16) };
      made = await makeMessage(await signer(unhex(v.client_seed)), request, unhex(r), unhex(e));
    }
    equal(v.name, hex(made.datagram), v.knock);
    if (v.ice_pwd) equal(v.name + ', ice-pwd', made.password, v.ice_pwd);
  }
}

async function checkSequences() {
  for (const s of sequences) {
    const [first, last] = s.ports.split('-').map(Number);
    const ports = await sequenceOf(await secretKey(s.secret, s.gate), { knocks: s.knocks, first, last }, s.door, stepAt(1000 * s.unix));
    equal(`sequence of ${s.door} at ${s.unix}`, ports.map((p) => 'tcp/' + p).join(' '), s.sequence.join(' '));
  }
}

async function checkCiphers() {
  const count = (from, n) => Uint8Array.from({ length: n }, (_, i) => from + i);
  const text = 'Ladies and Gentlemen of the class of \'99: If I could offer you only one tip for the future, sunscreen would be it.';
  const sealed = seal(count(0x80, 32), unhex('070000004041424344454647'), unhex('50515253c0c1c2c3c4c5c6c7'), utf8(text));
  equal('RFC 8439, 2.8.2, tag', hex(sealed.slice(-16)), '1ae10b594f09e26a7e902ecbd0600691');
  equal('RFC 8439, 2.8.2', hex(sealed.slice(0, 16)), 'd31a8d34648e60db7b86afbc53ef7ec2');
  equal('RFC 8439, 2.5.2', hex(poly1305(unhex('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b'), utf8('Cryptographic Forum Research Group'))), 'a8061dc1305136c6c22b8baf0c0127a9');
  equal('SipHash reference, 15 bytes', hex(siphash(count(0, 16), count(0, 15))), 'e545be4961ca29a1');
  const [k, u] = ['a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4', 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'].map(unhex);
  for (const f of [ladder, x25519]) equal('RFC 7748, 5.2, ' + f.name, hex(await f(k, u)), 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552');
  const rfc5869 = await hmac(count(0, 13), new Uint8Array(22).fill(11));
  equal('RFC 5869, A.1', hex(await expand(rfc5869, count(0xf0, 10), 42)), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
}

function checkTexts() {
  equal('texts of both languages', Object.keys(texts.ja).sort().join(), Object.keys(texts.en).sort().join());
  for (const key of Object.keys(texts.en)) {
    const values = (language) => (texts[language][key].match(/\{\w+\}/g) || []).sort().join();
    equal('values of ' + key, values('ja'), values('en'));
  }
  for (const [text, rows] of Object.entries(codes)) equal('QR code of ' + text, qrCode(text).map((r) => r.join('')).join('\n'), rows.join('\n'));
}

Promise.resolve().then(checkMessages).then(checkSequences).then(checkCiphers).then(checkTexts)
  .catch((fault) => faults.push(String(fault) + fault.stack))
  .then(() => { document.body.textContent = JSON.stringify({ checked, faults }); document.body.id = 'done'; });
