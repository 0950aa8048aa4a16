// Opening a door: which way, and what came of it.

// openDoor knocks at a door and returns what to keep of it and to show. By a
// message first, which is answered; by a sequence where there is no answer, or
// no other way.
async function openDoor(store, device, gate, door, onSilence) {
  const clock = clockFault(gate, Date.now());
  if (clock) throw clock;
  if (!self.RTCPeerConnection) throw new Fault('no-webrtc');
  if (gate.key) {
    const began = Date.now();
    const seen = await sendRequest(device, gate, door.name, OPEN, onSilence);
    if (seen !== null) {
      return { state: 'open', seen, until: door.seconds ? Date.now() + 1000 * door.seconds : 0, again: 0, took: Date.now() - began };
    }
    if (!gate.secret) throw new Fault('silence', { now: new Date() });
  }
  return knockSequence(store, gate, door);
}

async function sendRequest(device, gate, door, op, onSilence) {
  const publicKey = await serverKey(gate.key), began = Date.now();
  const make = () => makeMessage(device, { publicKey, op, flags: ACKNOWLEDGE, door, time: Date.now(), seconds: 0 });
  if (!device.passkey) return sendMessages(gate.host, gate.port, make, onSilence);
  const message = await make(), late = Date.now() - began > 45000; // its time was fixed before the user was asked
  if (late) throw new Fault('passkey-late');
  return sendMessages(gate.host, gate.port, async () => message, onSilence, { again: 6500, tries: 1 });
}

async function knockSequence(store, gate, door) {
  let step = -1;
  const used = await store.change(gate.id, (g) => {
    const d = g.doors.find((d) => d.name === door.name);
    step = nextFree(d.used, Date.now());
    if (step >= 0) d.used = step;
    return d.used;
  });
  if (used === undefined) throw new Fault('gone');
  if (step < 0) throw new Fault('used-up', { again: new Date(taken(used + 1)) });
  await sendSequence(gate.host, await sequenceOf(gate.secret, gate.shape, door.name, step));
  const now = Date.now();
  return { state: 'sent', seen: '', until: door.seconds ? now + 1000 * door.seconds : 0, again: taken(step + 1) };
}

// taken is from when on the gate takes a step: one step early.
const taken = (step) => (step - 1) * period * 1000;

// enrol has the gate know this device by its invite, and returns the gate with
// the secret that came of it.
async function enrol(device, gate, onSilence) {
  const publicKey = await serverKey(gate.key);
  const made = [];
  const make = async () => made[made.push(await makeEnrolment(device, gate.invite, publicKey, Date.now())) - 1];
  // The gate keeps the secret of the latest message that it has taken.
  if (await sendMessages(gate.host, gate.port, make, onSilence, { again: 4000, tries: 2 }) === null) throw new Fault('silence', { now: new Date() });
  const secret = gate.shape && await secretKey(made.at(-1).rotating, gate.named);
  return { ...gate, invite: null, secret };
}
