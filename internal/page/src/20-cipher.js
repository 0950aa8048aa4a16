// What browsers lack, or only some have: ChaCha20-Poly1305 (RFC 8439), SipHash-2-4
// and, for older ones, X25519 (RFC 7748). Arithmetic in BigInt takes no constant
// time; the keys here serve one message each, on the user's own device.

const rotl = (x, n) => (x << n) | (x >>> (32 - n));

function quarter(s, a, b, c, d) {
  s[a] += s[b]; s[d] = rotl(s[d] ^ s[a], 16);
  s[c] += s[d]; s[b] = rotl(s[b] ^ s[c], 12);
  s[a] += s[b]; s[d] = rotl(s[d] ^ s[a], 8);
  s[c] += s[d]; s[b] = rotl(s[b] ^ s[c], 7);
}

const words = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
};

function chachaBlock(key, counter, nonce) {
  const start = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, ...words(key), counter, ...words(nonce));
  const s = start.slice();
  for (let i = 0; i < 10; i++) {
    quarter(s, 0, 4, 8, 12); quarter(s, 1, 5, 9, 13); quarter(s, 2, 6, 10, 14); quarter(s, 3, 7, 11, 15);
    quarter(s, 0, 5, 10, 15); quarter(s, 1, 6, 11, 12); quarter(s, 2, 7, 8, 13); quarter(s, 3, 4, 9, 14);
  }
  const out = new DataView(new ArrayBuffer(64));
  s.forEach((x, i) => out.setUint32(4 * i, x + start[i], true));
  return new Uint8Array(out.buffer);
}

function chacha20(key, nonce, bytes, counter = 0) {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += 64) {
    out.set(xor(bytes.subarray(at, at + 64), chachaBlock(key, counter++, nonce)), at);
  }
  return out;
}

const little = (bytes) => bytes.reduceRight((n, b) => (n << 8n) | BigInt(b), 0n);
const littleBytes = (n, size) => Uint8Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * i)) & 255n));

function poly1305(key, bytes) {
  const r = little(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 16) {
    const block = bytes.subarray(at, at + 16);
    sum = ((sum + little(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n);
  }
  return littleBytes(sum + little(key.subarray(16)), 16);
}

// seal encrypts and authenticates with ChaCha20-Poly1305.
function seal(key, nonce, aad, plain) {
  const text = chacha20(key, nonce, plain, 1);
  const pad = (bytes) => join(bytes, new Uint8Array(-bytes.length & 15));
  const lengths = join(littleBytes(BigInt(aad.length), 8), littleBytes(BigInt(text.length), 8));
  return join(text, poly1305(chachaBlock(key, 0, nonce), join(pad(aad), pad(text), lengths)));
}

// siphash is SipHash-2-4, its result in little-endian order.
function siphash(key, bytes) {
  const word = (n) => BigInt.asUintN(64, n);
  const turn = (x, n) => word(x << n) | (x >> (64n - n));
  const k0 = little(key.subarray(0, 8)), k1 = little(key.subarray(8));
  let a = k0 ^ 0x736f6d6570736575n, b = k1 ^ 0x646f72616e646f6dn;
  let c = k0 ^ 0x6c7967656e657261n, d = k1 ^ 0x7465646279746573n;
  const rounds = (n) => {
    while (n-- > 0) {
      a = word(a + b); b = turn(b, 13n) ^ a; a = turn(a, 32n);
      c = word(c + d); d = turn(d, 16n) ^ c;
      a = word(a + d); d = turn(d, 21n) ^ a;
      c = word(c + b); b = turn(b, 17n) ^ c; c = turn(c, 32n);
    }
  };
  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at <= whole; at += 8) {
    let m = little(bytes.subarray(at, at + 8));
    if (at === whole) m |= BigInt(bytes.length & 255) << 56n;
    d ^= m; rounds(2); a ^= m;
  }
  c ^= 255n; rounds(4);
  return littleBytes(a ^ b ^ c ^ d, 8);
}

// ladder is X25519 without the browser's help.
function ladder(scalar, point) {
  const p = (1n << 255n) - 19n;
  const mod = (n) => ((n % p) + p) % p;
  const k = (little(scalar) & ((1n << 254n) - 8n)) | (1n << 254n);
  const x1 = mod(little(point) & ((1n << 255n) - 1n));
  let x2 = 1n, z2 = 0n, x3 = x1, z3 = 1n;
  for (let t = 254n; t >= 0n; t--) {
    const bit = (k >> t) & 1n;
    if (bit) [x2, x3, z2, z3] = [x3, x2, z3, z2];
    const a = mod(x2 + z2), b = mod(x2 - z2), aa = mod(a * a), bb = mod(b * b), e = mod(aa - bb);
    const da = mod((x3 - z3) * a), cb = mod((x3 + z3) * b);
    x3 = mod((da + cb) ** 2n); z3 = mod(x1 * mod((da - cb) ** 2n));
    x2 = mod(aa * bb); z2 = mod(e * (aa + 121665n * e));
    if (bit) [x2, x3, z2, z3] = [x3, x2, z3, z2];
  }
  let inverse = 1n;
  for (let base = z2, n = p - 2n; n > 0n; n >>= 1n, base = mod(base * base)) if (n & 1n) inverse = mod(inverse * base);
  return littleBytes(mod(x2 * inverse), 32);
}

// What stands before a raw X25519 private key in PKCS #8 (RFC 8410).
const x25519Prefix = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);

async function x25519(scalar, point) {
  const name = 'X25519';
  let key, peer;
  try {
    key = await crypto.subtle.importKey('pkcs8', join(x25519Prefix, scalar), name, false, ['deriveBits']);
    peer = await crypto.subtle.importKey('raw', point, name, false, []);
  } catch {
    return ladder(scalar, point); // the browser has no X25519
  }
  return new Uint8Array(await crypto.subtle.deriveBits({ name, public: peer }, key, 256));
}
