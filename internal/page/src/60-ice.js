// Packets out of a browser. ICE sends them without a permission, a certificate
// or a resolver: a TCP SYN for each knock, and a STUN request that carries a
// message in its USERNAME.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// answer is the description of a peer that exists only as an address.
function answer(ufrag, password, candidate) {
  const fingerprint = Array.from(random(32), (b) => b.toString(16).padStart(2, '0').toUpperCase()).join(':');
  return { type: 'answer', sdp: ['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', 't=0 0', 'a=ice-lite',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:0',
    `a=ice-ufrag:${ufrag}`, `a=ice-pwd:${password}`, `a=fingerprint:sha-256 ${fingerprint}`,
    // As "active" the peer would have to begin DTLS, so nothing follows its answer.
    'a=setup:active', 'a=sctp-port:5000', `a=candidate:1 1 ${candidate}`, 'a=end-of-candidates', ''].join('\r\n') };
}

// prepared returns a connection that is about to send. One that has gathered all that
// it needs sends at once, so that several keep their order.
async function prepared(gathers = true) {
  const pc = new RTCPeerConnection({ iceServers: [] });
  pc.createDataChannel('');
  const gathered = new Promise((done) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
  });
  await pc.setLocalDescription(await pc.createOffer()); // older browsers want the argument
  if (gathers) await Promise.race([gathered, pause(1000)]);
  return pc;
}

// Between two knocks: enough that none overtakes another on the way. After the
// last one, and before a connection is closed: Chromium's SYN needs that long to
// leave when the device is busy, and after a second it would be sent again.
const gap = 60, lasting = 500;

// sendSequence knocks at TCP ports, one after the other.
async function sendSequence(host, ports) {
  const list = await Promise.all(ports.map(() => prepared()));
  try {
    for (const [i, pc] of list.entries()) {
      await pc.setRemoteDescription(answer(base64(random(6)), base64(random(24)), `tcp 1518280447 ${host} ${ports[i]} typ host tcptype passive`));
      await pause(gap);
    }
    await pause(lasting - gap);
  } finally {
    list.forEach((pc) => pc.close());
  }
}

// sendMessage sends one message in STUN until stop, and resolves with the
// address that the gate has seen, '' where the browser does not say, once the
// gate has answered.
async function sendMessage(host, port, message, stop) {
  const pc = await prepared(false);
  stop.then(() => pc.close());
  const connected = new Promise((done) => {
    pc.oniceconnectionstatechange = () => /^(connected|completed)$/.test(pc.iceConnectionState) && done();
  });
  await pc.setRemoteDescription(answer(base64(message.datagram), message.password, `udp 2113937151 ${host} ${port} typ host`));
  await connected;
  return seenAddress(pc);
}

async function seenAddress(pc) {
  const stats = await pc.getStats();
  for (const s of stats.values()) {
    if (s.type === 'local-candidate' && s.candidateType === 'prflx') return s.address || s.ip || '';
  }
  return '';
}

// A gate under a flood knows clients by their coming back at this pace.
const pace = { again: 700, tries: 8 }, patience = 3000;

// sendMessages sends new messages at a pace until one is answered. It returns
// the address that the gate has seen, or null if nothing has come. onSilence is
// called when it has become unlikely that something will.
async function sendMessages(host, port, make, onSilence, { again, tries } = pace) {
  let stop;
  const stopped = new Promise((done) => { stop = done; });
  const silence = setTimeout(onSilence, patience);
  const answered = [];
  try {
    for (let i = 0; i < tries; i++) {
      answered.push(sendMessage(host, port, await make(), stopped));
      const seen = await Promise.race([...answered, pause(again)]);
      if (seen !== undefined) return seen;
    }
    return null;
  } finally {
    clearTimeout(silence);
    stop();
  }
}
