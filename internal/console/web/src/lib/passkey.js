// Passkeys: options and answers as JSON (WebAuthn, sections 5.1.8 to 5.1.10). Browsers
// that cannot read and write that themselves are helped.

// possible: passkeys are for names that have been reached by https.
export const possible = () => globalThis.isSecureContext && location.protocol === 'https:' && 'PublicKeyCredential' in globalThis && /[a-z]/i.test(location.hostname) && !location.hostname.startsWith('[');

export function bytes(text) {
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

export function text(buffer) {
  let binary = '';
  for (const b of new Uint8Array(buffer)) binary += String.fromCharCode(b);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

const named = (list) => (list ?? []).map((c) => ({ ...c, id: bytes(c.id) }));

export const forGet = (o) => ({ ...o, challenge: bytes(o.challenge), allowCredentials: named(o.allowCredentials) });

export const forCreate = (o) => ({ ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: named(o.excludeCredentials) });

// plain is a credential as JSON.
export function plain(c) {
  if (typeof c.toJSON === 'function') return c.toJSON();
  const r = c.response, response = { clientDataJSON: text(r.clientDataJSON) };
  for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (r[name]) response[name] = text(r[name]);
  return { id: c.id, rawId: text(c.rawId), type: c.type, response, clientExtensionResults: c.getClientExtensionResults(), authenticatorAttachment: c.authenticatorAttachment ?? undefined };
}

export async function get(options) {
  const { publicKey } = options;
  return plain(await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON?.(publicKey) ?? forGet(publicKey) }));
}

export async function create(options) {
  const { publicKey } = options;
  return plain(await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON?.(publicKey) ?? forCreate(publicKey) }));
}
