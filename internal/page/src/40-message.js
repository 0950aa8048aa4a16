// The one-packet message: docs/PROTOCOL.md, sections 2 to 4, suite x25519.

const OPEN = 1, CLOSE = 2, ENROL = 3;
const ACKNOWLEDGE = 2; // a flag

const publicPrefix = 'sallyport-server-public-v1:';

// serverKey reads the text of a server's public key.
async function serverKey(text) {
  if (!text.startsWith(publicPrefix)) throw new Fault('key-text');
  const [suite, data] = text.slice(publicPrefix.length).split(':');
  if (suite !== 'x25519') throw new Fault('key-hybrid');
  const bytes = fromBase64url(data || ''), key = bytes.slice(0, 32);
  const sum = await sha256(join(utf8(publicPrefix + suite + ':'), key));
  if (bytes.length !== 36 || !same(bytes.slice(32), sum.slice(0, 4))) throw new Fault('key-text');
  return key;
}

const doorId = async (name) => (name ? (await sha256(utf8(name))).slice(0, 4) : new Uint8Array(4));

// moatTag is T: what lets a gate leave other datagrams unread.
async function moatTag(prk, time, r) {
  const epoch = uint(Math.floor(time / 512000), 8);
  return siphash(await expand(prk, join(utf8('moat'), epoch), 16), r).slice(0, 4);
}

// signedText is S, what the client's key signs.
async function signedText(label, publicKey, rt, enc, header, bound, tail) {
  const m = join(utf8(label), await sha256(publicKey), rt, enc, header, bound, tail);
  return join(utf8('SSHSIG'), string(utf8('knock@sallyport')), string(none), string(utf8('sha512')), string(await sha512(m)));
}

// makeMessage returns the datagram, and the ice-pwd that only the gate can know
// besides us. Randomness is a parameter, for the test vectors. tail is what the
// proof covers and carries besides, for enrolling.
async function makeMessage(device, request, r = random(8), ephemeral = random(32), label = 'sallyport knock v1 proof\0', tail = none) {
  const { publicKey, time } = request;
  const prk = await hmac(utf8('sallyport knock v1'), publicKey);
  const rt = join(r, await moatTag(prk, time, r));
  const client = (await sha256(device.wire)).slice(0, 6);
  const header = join(Uint8Array.of(request.op, request.flags), client, await doorId(request.door), uint(time, 6), uint(request.seconds, 2));
  const context = await encapsulate(publicKey, utf8('sallyport knock v1'), ephemeral);
  const bound = request.bound || new Uint8Array(16);
  const proof = await device.sign(await signedText(label, publicKey, rt, context.enc, header, bound, tail));
  const sealed = join(context.enc, context.seal(rt, join(header, tail, proof)));
  const veiled = chacha20(await expand(prk, utf8('veil'), 32), rt, sealed);
  return { datagram: join(rt, veiled), password: base64(await context.exported('sallyport ice v1', 24)), exported: context.exported };
}

// What stands before an Ed25519 seed in PKCS #8 (RFC 8410).
const ed25519Prefix = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

// signer is the identity of a key whose seed is known: that of an invite.
async function signer(seed) {
  const subtle = crypto.subtle, name = 'Ed25519';
  let key, jwk;
  try {
    key = await subtle.importKey('pkcs8', join(ed25519Prefix, seed), name, true, ['sign']);
    jwk = await subtle.exportKey('jwk', key);
  } catch {
    throw new Fault('no-ed25519');
  }
  const wire = join(string(utf8('ssh-ed25519')), string(fromBase64url(jwk.x)));
  return { wire, sign: async (bytes) => new Uint8Array(await subtle.sign(name, key, bytes)) };
}

function base32(bytes) {
  const bits = Array.from(bytes, (b) => b.toString(2).padStart(8, '0')).join('');
  return bits.replace(/.{5}/g, (five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[parseInt(five, 2)]);
}

// makeEnrolment makes the message by which an invite enrols the device's key, and
// the secret for sequences that comes of it: PROTOCOL.md, section 14.
async function makeEnrolment(device, seed, publicKey, time, flags = ACKNOWLEDGE, ...randomness) {
  const [r, ephemeral] = randomness.length ? randomness : [random(8), random(32)];
  const request = { publicKey, op: ENROL, flags, door: '', time, seconds: 0 };
  const tail = join(Uint8Array.of(device.kind), device.short);
  const message = await makeMessage(await signer(seed), request, r, ephemeral, 'sallyport enrol v1 proof\0', tail);
  return { ...message, rotating: base32(await message.exported('sallyport rotating v1', 20)) };
}
