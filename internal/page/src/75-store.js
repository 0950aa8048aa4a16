// What is kept: gates, the device's key and the language, in IndexedDB. Where the
// browser keeps nothing, they last as long as the page does.

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function openStore() {
  try {
    const request = indexedDB.open('sallyport', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('gates', { keyPath: 'id' });
      request.result.createObjectStore('own');
    };
    return kept(await done(request));
  } catch {
    return forgotten();
  }
}

function kept(db) {
  db.onversionchange = () => db.close();
  const read = (name) => db.transaction(name).objectStore(name);
  const write = (name) => db.transaction(name, 'readwrite').objectStore(name);
  return {
    keeps: true,
    gates: () => done(read('gates').getAll()),
    own: (key) => done(read('own').get(key)),
    setOwn: (key, value) => done(write('own').put(value, key)),
    put: (gate) => done(write('gates').put(gate)),
    remove: (id) => done(write('gates').delete(id)),
    // change reads, changes and writes a gate in one transaction, so that two
    // open pages never use one step. It returns what f returns.
    async change(id, f) {
      const gates = write('gates');
      const gate = await done(gates.get(id));
      const result = gate && f(gate);
      if (gate) await done(gates.put(gate));
      return result;
    },
  };
}

function forgotten() {
  const gates = new Map(), own = new Map();
  return {
    keeps: false,
    gates: async () => [...gates.values()],
    own: async (key) => own.get(key),
    setOwn: async (key, value) => void own.set(key, value),
    put: async (gate) => void gates.set(gate.id, gate),
    remove: async (id) => void gates.delete(id),
    change: async (id, f) => gates.has(id) && f(gates.get(id)),
  };
}

// deviceKey returns the key of this device, and makes it at the first time. It
// cannot be exported. Browsers without Ed25519 get ECDSA over P-256.
async function deviceKey(store) {
  let pair = await store.own('key');
  if (!pair) {
    const make = (algorithm) => crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
    pair = await make({ name: 'Ed25519' }).catch(() => make({ name: 'ECDSA', namedCurve: 'P-256' }));
    await store.setOwn('key', pair);
  }
  return identity(pair);
}

async function identity({ privateKey, publicKey }) {
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
  const ed = publicKey.algorithm.name === 'Ed25519';
  const type = ed ? 'ssh-ed25519' : 'ecdsa-sha2-nistp256';
  const wire = join(string(utf8(type)), ...(ed ? [] : [string(utf8('nistp256'))]), string(raw));
  const algorithm = ed ? { name: 'Ed25519' } : { name: 'ECDSA', hash: 'SHA-256' };
  return {
    wire,
    kind: ed ? 1 : 2,
    short: ed ? raw : join(Uint8Array.of(2 + (raw[64] & 1)), raw.slice(1, 33)), // a P-256 point compressed
    line: `${type} ${btoa(String.fromCharCode(...wire))} pocket`,
    sign: async (bytes) => new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, bytes)),
  };
}
