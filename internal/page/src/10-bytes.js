// Bytes and their texts.

const utf8 = (text) => new TextEncoder().encode(text);
const random = (n) => crypto.getRandomValues(new Uint8Array(n));

function join(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const xor = (a, b) => a.map((x, i) => x ^ b[i]);

// uint is n as an unsigned integer of that many bytes, big-endian.
function uint(n, size) {
  const out = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--, n = Math.floor(n / 256)) out[i] = n % 256;
  return out;
}

// base64 is without padding, as in the texts of OpenSSH's fingerprints and in an ice-ufrag.
const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, '');

function fromBase64url(text) {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) throw new Fault('key-text');
  const out = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  if (base64(out).replace(/\+/g, '-').replace(/\//g, '_') !== text) throw new Fault('key-text');
  return out;
}

// string is a string as SSH writes it: its length, then its bytes.
const string = (bytes) => join(uint(bytes.length, 4), bytes);

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
const sha512 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-512', bytes));

// A Fault is something to say to the user: the key of a text, and what stands in it.
class Fault extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}
