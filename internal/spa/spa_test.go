package spa

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/key"
)

var (
	noon   = time.Date(2031, 5, 6, 12, 0, 0, 123e6, time.UTC)
	home   = netip.MustParseAddr("192.0.2.7")
	abroad = netip.MustParseAddr("2001:db8::7")
)

const skew = 60 * time.Second

// fixed is a Prover whose proofs are one byte, repeated: this package does not
// look at them.
type fixed int

func (f fixed) ProofSize() int               { return int(f) }
func (f fixed) Prove([]byte) ([]byte, error) { return bytes.Repeat([]byte{0x5a}, int(f)), nil }

// signer is a Prover that signs, so that a test can see what was signed.
type signer struct{ ed25519.PrivateKey }

func (s signer) ProofSize() int                   { return ed25519.SignatureSize }
func (s signer) Prove(msg []byte) ([]byte, error) { return ed25519.Sign(s.PrivateKey, msg), nil }

func newKey(t testing.TB, s key.Suite) key.Private {
	t.Helper()
	k, err := key.Generate(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// request is a header with something in each field.
func request(now time.Time) Header {
	return Header{Op: Open, Ack: true, Single: true, Client: [6]byte{1, 2, 3, 4, 5, 6}, Door: DoorID("ssh"), Time: now.Truncate(time.Millisecond), Seconds: 300}
}

func sealed(t testing.TB, to key.Private, h Header, p Prover) *Sealed {
	t.Helper()
	s, err := Seal(to.Public(), h, netip.Addr{}, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open runs both steps.
func open(o *Opener, now time.Time, datagram []byte) (*Message, Reason) {
	tagged, reason := o.Check(now, datagram)
	if reason != "" {
		return nil, reason
	}
	return tagged.Open()
}

func TestSealOpen(t *testing.T) {
	for _, tc := range []struct {
		name   string
		suite  key.Suite
		proof  int
		bound  netip.Addr
		length int
	}{
		{"hybrid, Ed25519", key.Hybrid, 64, netip.Addr{}, 1232},
		{"hybrid, FIDO2", key.Hybrid, 69, home, 1237},
		{"X25519, Ed25519", key.X25519, 64, abroad, 144},
		{"X25519, FIDO2", key.X25519, 69, netip.Addr{}, 149},
		{"X25519, ECDSA P-384", key.X25519, 96, home, 176},
		{"X25519, ECDSA P-521", key.X25519, 132, home, 212},
		{"X25519, RSA 2048", key.X25519, 256, home, 336},
		{"X25519, RSA 3072", key.X25519, 384, home, 464},
		{"X25519, RSA 4096", key.X25519, 512, home, 592},
	} {
		t.Run(tc.name, func(t *testing.T) {
			private := newKey(t, tc.suite)
			want := request(noon)
			s, err := Seal(private.Public(), want, tc.bound, fixed(tc.proof))
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Datagram) != tc.length {
				t.Errorf("%d bytes: want %d", len(s.Datagram), tc.length)
			}
			m, reason := open(NewOpener(key.NewKeyring(private), skew), noon, s.Datagram)
			if reason != "" {
				t.Fatalf("refused: %v", reason)
			}
			want.Bound = tc.bound.IsValid()
			if m.Header != want {
				t.Errorf("header %+v: want %+v", m.Header, want)
			}
			if proof, _ := fixed(tc.proof).Prove(nil); !bytes.Equal(m.Proof, proof) {
				t.Errorf("proof %x: want %x", m.Proof, proof)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	hybrid, small := newKey(t, key.Hybrid).Public(), newKey(t, key.X25519).Public()
	with := func(change func(*Header)) Header { h := request(noon); change(&h); return h }
	good, none := request(noon), netip.Addr{}
	for _, tc := range []struct {
		name   string
		server key.Public
		header Header
		bound  netip.Addr
		prover Prover
		want   string
	}{
		{"no server key", key.Public{}, good, none, fixed(64), `there is no server key`},
		{"ECDSA P-384 with hybrid", hybrid, good, none, fixed(96), `a proof of 96 bytes does not fit into messages of the suite mlkem768-x25519: use an Ed25519 key, or a server key of the suite x25519`},
		{"RSA with hybrid", hybrid, good, none, fixed(384), `a proof of 384 bytes does not fit into messages of the suite mlkem768-x25519: use an Ed25519 key, or a server key of the suite x25519`},
		{"no such proof", small, good, none, fixed(65), `no SSH key has proofs of 65 bytes`},
		{"RSA too long", small, good, none, fixed(513), `no SSH key has proofs of 513 bytes`},
		{"no operation", small, with(func(h *Header) { h.Op = 0 }), none, fixed(64), `unknown op 0: want open, close, enrol or ask`},
		{"close with a time", small, with(func(h *Header) { h.Op, h.Single = Close, false }), none, fixed(64), `close takes no time and no single connection`},
		{"ask with a time", small, with(func(h *Header) { h.Op, h.Single, h.Ack = Ask, false, false }), none, fixed(64), `ask takes no time and no single connection`},
		{"ask for an answer", small, with(func(h *Header) { h.Op, h.Single, h.Seconds = Ask, false, 0 }), none, fixed(64), `nobody answers who asks to be let in`},
		{"close single", small, with(func(h *Header) { h.Op, h.Seconds = Close, 0 }), none, fixed(64), `close takes no time and no single connection`},
		{"before 1970", small, with(func(h *Header) { h.Time = time.UnixMilli(-1).UTC() }), none, fixed(64), `time 1969-12-31 23:59:59.999 +0000 UTC is out of range: set the clock`},
		{"zone", small, good, netip.MustParseAddr("fe80::1%eth0"), fixed(64), `cannot be bound to the address fe80::1%eth0: want one that the server can see`},
		{"unspecified", small, good, netip.IPv4Unspecified(), fixed(64), `cannot be bound to the address 0.0.0.0: want one that the server can see`},
		{"unspecified, as IPv4 in IPv6", small, good, netip.MustParseAddr("::ffff:0.0.0.0"), fixed(64), `cannot be bound to the address 0.0.0.0: want one that the server can see`},
		{"prover fails", small, good, none, broken{errors.New("agent refuses")}, `agent refuses`},
		{"prover lies", small, good, none, broken{nil}, `the proof has 1 bytes: want 64`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Seal(tc.server, tc.header, tc.bound, tc.prover)
			if s != nil || err == nil || err.Error() != "seal a knock: "+tc.want {
				t.Errorf("got %v, %v\nwant %v", s, err, tc.want)
			}
		})
	}
}

// broken is a Prover that does not keep its promise.
type broken struct{ err error }

func (b broken) ProofSize() int               { return 64 }
func (b broken) Prove([]byte) ([]byte, error) { return []byte{1}, b.err }

func TestCheckRefuses(t *testing.T) {
	current, previous, other := newKey(t, key.X25519), newKey(t, key.X25519), newKey(t, key.X25519)
	o := NewOpener(key.NewKeyring(previous).Rotate(current, noon.Add(time.Hour)), skew)
	at := func(k key.Private, d time.Duration) []byte {
		return sealed(t, k, request(noon.Add(d)), fixed(64)).Datagram
	}
	cut := func(b []byte, n int) []byte { return b[:n:n] }
	for _, tc := range []struct {
		name     string
		now      time.Time
		datagram []byte
		want     Reason
	}{
		{"nothing", noon, nil, BadLength},
		{"one byte", noon, []byte{1}, BadLength},
		{"cut short", noon, cut(at(current, 0), 143), BadLength},
		{"one byte more", noon, append(at(current, 0), 0), BadLength},
		{"64 KiB", noon, make([]byte, 65507), BadLength},
		{"zeros", noon, make([]byte, 144), BadTag},
		{"for another server", noon, at(other, 0), BadTag},
		{"two epochs late", noon, at(current, -2*key.EpochLength), BadTag},
		{"two epochs early", noon, at(current, 2*key.EpochLength), BadTag},
		{"previous key, its time over", noon.Add(time.Hour), at(previous, time.Hour), BadTag},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tagged, reason := o.Check(tc.now, tc.datagram)
			if reason != tc.want {
				t.Errorf("got %q: want %q", reason, tc.want)
			}
			if m, reason := tagged.Open(); m != nil || reason != BadTag {
				t.Errorf("opened all the same: %v, %q", m, reason)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	for _, suites := range [][2]key.Suite{{key.X25519, key.X25519}, {key.Hybrid, key.Hybrid}} {
		before, after := newKey(t, suites[0]), newKey(t, suites[1])
		end := noon.Truncate(time.Second).Add(time.Minute) // keyrings hold whole seconds
		o := NewOpener(key.NewKeyring(before).Rotate(after, end), skew)
		for _, tc := range []struct {
			k        key.Private
			now      time.Time
			previous bool
			opens    bool
		}{
			{before, end.Add(-time.Millisecond), true, true},
			{before, end, true, false},
			{after, end.Add(-time.Millisecond), false, true},
			{after, end, false, true},
		} {
			m, reason := open(o, tc.now, sealed(t, tc.k, request(tc.now), fixed(64)).Datagram)
			if (reason == "") != tc.opens {
				t.Fatalf("%v at %v: %q", suites, tc.now, reason)
			}
			if tc.opens && m.Previous != tc.previous {
				t.Errorf("%v: previous is %v", suites, m.Previous)
			}
		}
	}
}

// Every epoch that a fresh header can come from is accepted, and hardly more.
func TestTagWindow(t *testing.T) {
	k := newKey(t, key.X25519)
	for _, skew := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute} {
		o := NewOpener(key.NewKeyring(k), skew)
		for phase := time.Duration(0); phase < key.EpochLength; phase += 7 * time.Second {
			now := noon.Add(phase)
			for _, tc := range []struct {
				off  time.Duration
				want Reason
			}{
				{-skew, ""}, {0, ""}, {skew, ""},
				{-skew - key.EpochLength, BadTag}, {skew + key.EpochLength, BadTag},
			} {
				m, reason := open(o, now, sealed(t, k, request(now.Add(tc.off)), fixed(64)).Datagram)
				if reason != tc.want {
					t.Errorf("skew %v, phase %v, clock off by %v: got %q, want %q", skew, phase, tc.off, reason, tc.want)
				}
				if reason == "" && !m.Header.Fresh(now, skew) {
					t.Errorf("skew %v, phase %v, clock off by %v: not fresh", skew, phase, tc.off)
				}
			}
		}
	}
}

// An opener that has been in use for long, through jumps of the clock, says the
// same as a new one.
func TestOpenerFollowsTheClock(t *testing.T) {
	k := newKey(t, key.X25519)
	old := NewOpener(key.NewKeyring(k), skew)
	now := noon
	for _, step := range []time.Duration{0, time.Second, key.EpochLength, key.EpochLength, 5 * key.EpochLength, time.Hour, -3 * key.EpochLength, -time.Hour, 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour} {
		now = now.Add(step)
		for off := -3 * key.EpochLength; off <= 3*key.EpochLength; off += key.EpochLength / 2 {
			datagram := sealed(t, k, request(now.Add(off)), fixed(64)).Datagram
			_, got := old.Check(now, datagram)
			_, want := NewOpener(key.NewKeyring(k), skew).Check(now, datagram)
			if got != want {
				t.Errorf("after a step of %v, off by %v: got %q, want %q", step, off, got, want)
			}
			_, gotDay := old.Diagnose(now, datagram)
			if !gotDay {
				t.Errorf("after a step of %v, off by %v: not diagnosed", step, off)
			}
		}
	}
}

func TestFresh(t *testing.T) {
	for _, tc := range []struct {
		off  time.Duration
		want bool
	}{
		{0, true}, {skew, true}, {-skew, true}, {skew + time.Millisecond, false}, {-skew - time.Millisecond, false},
		{1 << 62, false}, {-1 << 62, false},
	} {
		if got := (Header{Time: noon.Add(tc.off)}).Fresh(noon, skew); got != tc.want {
			t.Errorf("off by %v: %v", tc.off, got)
		}
	}
	if (Header{}).Fresh(noon, skew) {
		t.Error("no time is fresh")
	}
}

// Anyone who knows the server's public key can seal anything. What no client would
// write is refused.
func TestOpenRefusesWhatNoClientWrites(t *testing.T) {
	k := newKey(t, key.X25519)
	o := NewOpener(key.NewKeyring(k), skew)
	good := request(noon).append(nil)
	with := func(at int, value byte) []byte { b := bytes.Clone(good); b[at] = value; return b }
	proof := make([]byte, 64)
	for _, tc := range []struct {
		name   string
		header []byte
		want   Reason
	}{
		{"as it should be", good, ""},
		{"op 0", with(0, 0), BadHeader},
		{"op 3", with(0, 3), BadHeader},
		{"close with a time", with(0, byte(Close)), BadHeader},
		{"flag 3", with(1, 1<<3), BadHeader},
		{"flag 7", with(1, 1<<7), BadHeader},
		{"stamped for another epoch than its tag", request(noon.Add(key.EpochLength)).append(nil), BadHeader},
		{"stamped for the same epoch", request(noon.Add(time.Second)).append(nil), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			datagram := forge(t, k.Public(), noon, append(bytes.Clone(tc.header), proof...))
			if _, reason := open(o, noon, datagram); reason != tc.want {
				t.Errorf("got %q: want %q", reason, tc.want)
			}
		})
	}
}

// forge seals any plaintext, with a tag for now.
func forge(t testing.TB, server key.Public, now time.Time, plain []byte) []byte {
	t.Helper()
	enc, sender, err := server.Encapsulate([]byte(knockInfo))
	if err != nil {
		t.Fatal(err)
	}
	datagram := appendFront(nil, server, Header{Time: now})
	ct, err := sender.Seal(datagram, plain)
	if err != nil {
		t.Fatal(err)
	}
	datagram = append(append(datagram, enc...), ct...)
	veilKey := server.Veil()
	veil(&veilKey, datagram[:frontSize], datagram[frontSize:], datagram[frontSize:])
	return datagram
}

func TestEverySingleBitCounts(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k := newKey(t, suite)
		o := NewOpener(key.NewKeyring(k), skew)
		datagram := sealed(t, k, request(noon), fixed(64)).Datagram
		if _, reason := open(o, noon, datagram); reason != "" {
			t.Fatalf("%v: unchanged: %q", suite, reason)
		}
		for bit := range len(datagram) * 8 {
			datagram[bit/8] ^= 1 << (bit % 8)
			want := BadSeal
			if bit < frontSize*8 {
				want = BadTag
			}
			if _, reason := open(o, noon, datagram); reason != want {
				t.Errorf("%v, bit %d changed: got %q, want %q", suite, bit, reason, want)
			}
			datagram[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, tc := range []struct {
		suite key.Suite
		want  []Span
	}{
		{key.Hybrid, []Span{{1232, 1232}, {1237, 1237}}},
		{key.X25519, []Span{{144, 144}, {149, 150}, {176, 178}, {212, 212}, {336, 592}}},
		{0, nil},
	} {
		got := Lengths(tc.suite)
		if len(got) != len(tc.want) {
			t.Fatalf("%v: %v", tc.suite, got)
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%v: %v, want %v", tc.suite, got, tc.want)
			}
		}
	}
}
