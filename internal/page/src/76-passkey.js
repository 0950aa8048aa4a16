// Passkeys of the device: docs/PROTOCOL.md, section 15. Each signature asks the user,
// so a knock has one message.

// What browsers write behind the origin in clientDataJSON. The gate knows these alone.
const passkeyForms = [
  ',"crossOrigin":false}',
  ',"crossOrigin":false,"other_keys_can_be_added_here":"do not compare clientDataJSON against a template. See https://goo.gl/yabPex"}',
  '}',
];

const hasPasskeys = () => location.protocol === 'https:' && !isAddress(location.hostname) && !!self.PublicKeyCredential;

async function asked(work) {
  try {
    return await work();
  } catch (fault) {
    throw fault.name === 'NotAllowedError' ? new Fault('passkey-no') : fault;
  }
}

// makePasskey has the device make one, and returns what is to be kept of it.
async function makePasskey() {
  const name = 'Sallyport';
  const { rawId, response } = await asked(() => navigator.credentials.create({ publicKey: {
    rp: { id: location.hostname, name }, user: { id: random(16), name, displayName: name }, challenge: random(32),
    pubKeyCredParams: [-8, -7].map((alg) => ({ type: 'public-key', alg })),
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' } } }));
  const ed = response.getPublicKeyAlgorithm() === -8, spki = new Uint8Array(response.getPublicKey() || none);
  const point = spki.slice(ed ? -32 : -64); // without what says of which kind it is
  if (point.length < 32) throw new Fault('passkey-form');
  return { id: rawId, ed, raw: ed ? point : join(Uint8Array.of(2 + (point[63] & 1)), point.slice(0, 32)) };
}

function passkeyIdentity({ id, ed, raw }) {
  const type = ed ? 'passkey-ed25519' : 'passkey-es256';
  return {
    passkey: true,
    wire: join(string(utf8(type)), string(raw), string(utf8(location.origin))),
    line: `${type} ${btoa(String.fromCharCode(...raw))} ${location.origin}`,
    sign: async (bytes) => {
      const challenge = await sha256(bytes);
      const { response } = await asked(() => navigator.credentials.get({ publicKey: {
        challenge, rpId: location.hostname, allowCredentials: [{ type: 'public-key', id }], userVerification: 'required', timeout: 45000 } }));
      return passkeyProof(challenge, ed, response);
    },
  };
}

// passkeyProof is what the gate cannot know of a signature.
function passkeyProof(challenge, ed, response) {
  const data = new Uint8Array(response.authenticatorData), text = new TextDecoder().decode(response.clientDataJSON);
  const known = base64(challenge).replace(/\+/g, '-').replace(/\//g, '_');
  const form = passkeyForms.findIndex((f) => text === `{"type":"webauthn.get","challenge":"${known}","origin":"${location.origin}"${f}`);
  if (data.length !== 37 || form < 0) throw new Fault('passkey-form');
  const signature = new Uint8Array(response.signature);
  return join(ed ? signature : rawPair(signature), data.slice(32), Uint8Array.of(form));
}

// rawPair reads an ECDSA signature in DER: two numbers, with a zero before where the
// first bit is set, and without those at their beginning.
function rawPair(der) {
  const out = new Uint8Array(64);
  for (let i = 0, at = 2; i < 2; i++) {
    const number = der.slice(at + 2, at + 2 + der[at + 1]).slice(-32);
    out.set(number, 32 * (i + 1) - number.length);
    at += 2 + der[at + 1];
  }
  return out;
}
