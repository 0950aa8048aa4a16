// Invites: the seed is made here and stays here; the daemon gets the public half. The link
// is the one of the protocol, section 14.
import { seconds } from './time.js';

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

export const base64url = (bytes) => base64(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

// made makes the key of an invite: its seed, and its public half as the API wants it.
export async function made() {
  const { publicKey, privateKey } = await crypto.subtle.generateKey('Ed25519', true, ['sign']);
  const [raw, pkcs8] = await Promise.all([crypto.subtle.exportKey('raw', publicKey), crypto.subtle.exportKey('pkcs8', privateKey)]);
  return { key: base64(new Uint8Array(raw)), seed: new Uint8Array(pkcs8).slice(-32) }; // RFC 8410, section 7
}

const usual = 60; // seconds that clocks may differ

export function linkOf(answer, { seed, host, name, page }) {
  const skew = seconds(answer.skew), doors = answer.doors;
  const values = {
    d: doors.map((d) => d.name).join(','), i: base64url(seed), k: answer.server_key, n: name,
    o: doors.map((d) => Math.floor(seconds(d.open) || 0)).join(','), p: String(answer.port), t: String(Date.parse(answer.issued) / 1000),
    ...(skew === usual ? {} : { z: String(skew) }),
  };
  const q = new URLSearchParams(Object.entries(values));
  const link = `sallyport://${host.includes(':') ? `[${host}]` : host}?${q}`;
  return page ? `${page.split('#')[0]}#${link}` : link;
}
