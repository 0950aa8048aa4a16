// HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.

async function hmac(key, ...parts) {
  // WebCrypto refuses an empty key, which for HMAC is one of zeros.
  const k = await crypto.subtle.importKey('raw', key.length ? key : new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', k, join(...parts)));
}

async function expand(prk, info, size) {
  let out = new Uint8Array(0), block = out;
  for (let i = 1; out.length < size; i++) {
    block = await hmac(prk, block, info, Uint8Array.of(i));
    out = join(out, block);
  }
  return out.slice(0, size);
}

const none = new Uint8Array(0);
const kemSuite = join(utf8('KEM'), uint(0x20, 2));
const hpkeSuite = join(utf8('HPKE'), uint(0x20, 2), uint(1, 2), uint(3, 2));

const labeledExtract = (suite, salt, label, ikm) => hmac(salt, utf8('HPKE-v1'), suite, utf8(label), ikm);
const labeledExpand = (suite, prk, label, info, size) =>
  expand(prk, join(uint(size, 2), utf8('HPKE-v1'), suite, utf8(label), info), size);

// encapsulate makes the sender's context for one message.
async function encapsulate(publicKey, info, ephemeral) {
  const enc = await x25519(ephemeral, Uint8Array.from({ length: 32 }, (_, i) => (i ? 0 : 9)));
  const prk = await labeledExtract(kemSuite, none, 'eae_prk', await x25519(ephemeral, publicKey));
  const shared = await labeledExpand(kemSuite, prk, 'shared_secret', join(enc, publicKey), 32);
  const context = join(Uint8Array.of(0),
    await labeledExtract(hpkeSuite, none, 'psk_id_hash', none),
    await labeledExtract(hpkeSuite, none, 'info_hash', info));
  const secret = await labeledExtract(hpkeSuite, shared, 'secret', none);
  const schedule = (label, size) => labeledExpand(hpkeSuite, secret, label, context, size);
  const [key, nonce, exporter] = [await schedule('key', 32), await schedule('base_nonce', 12), await schedule('exp', 32)];
  return {
    enc,
    seal: (aad, plain) => seal(key, nonce, aad, plain),
    exported: (label, size) => labeledExpand(hpkeSuite, exporter, 'sec', utf8(label), size),
  };
}
