package spa_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/spa"
)

var update = flag.Bool("update", false, "write the test vectors again")

const (
	vectorFile = "testdata/vectors.json"
	enrolFile  = "testdata/enrol.json"
	askFile    = "testdata/ask.json"
)

var vectorSource = netip.MustParseAddr("192.0.2.7")

// vectorPrivate is the server's X25519 key, clamped.
func vectorPrivate() octets {
	k := fixedBytes("server x25519", 32)
	k[0], k[31] = k[0]&248, k[31]&127|64
	return k
}

func ed25519Public(seed []byte) []byte {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

// vectors is the file that other implementations test themselves with.
type vectors struct {
	Comment string   `json:"comment"`
	Vectors []vector `json:"vectors"`
}

// fixedBytes stands for randomness.
func fixedBytes(purpose string, n int) octets {
	sum := sha256.Sum256([]byte("sallyport test vector: " + purpose))
	return sum[:n]
}

// makeVectors computes the file, with the oracle alone.
func makeVectors() vectors {
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	const ms = 1935921600123
	one := []answerDoor{{doorID("ssh"), 1, 300}}
	eight := make([]answerDoor, 8)
	for i := range eight {
		eight[i] = answerDoor{fixedBytes(string(rune('a'+i)), 4), 0, 1 << (2 * i)}
	}
	out := vectors{Comment: "Test vectors of docs/PROTOCOL.md. The keys are public: never use them. Written by: go test ./internal/spa -run TestVectors -update"}
	for _, tc := range []struct {
		name    string
		request request
		answer  answer
	}{
		{"open, unbound", request{1, 2, "ssh", ms, 300, netip.Addr{}}, answer{1, 0, 0, 1, ms + 40, v4, one}},
		{"open, bound to IPv4, single", request{1, 7, "ssh", ms, 0, v4}, answer{1, 0, 0, 1, ms, v4, one}},
		{"open the default doors, bound to IPv6", request{1, 3, "", ms, 65535, v6}, answer{1, 0, 0, 9, ms + 1, v6, eight}},
		{"close, unbound", request{2, 2, "ssh", ms, 0, netip.Addr{}}, answer{2, 0, 0, 1, ms, v6, []answerDoor{{doorID("ssh"), 0, 0}}}},
		{"previous key, not opened", request{1, 2, "ssh", ms / 512000 * 512000, 1, netip.Addr{}}, answer{3, 6, 1, 0, ms, v4, nil}},
		{"last millisecond of an epoch, forbidden", request{1, 0, "db", ms/512000*512000 + 511999, 1, netip.Addr{}}, answer{3, 2, 0, 0, ms, v4, nil}},
	} {
		for _, suite := range []string{"mlkem768-x25519", "x25519"} {
			name := suite + ": " + tc.name
			v := vector{Name: name, Suite: suite, Request: tc.request, Answer: tc.answer, ClientSeed: fixedBytes("client", 32)}
			v.Random = random{R: fixedBytes("r "+name, 8), X25519: fixedBytes("x25519 "+name, 32), AckNonce: fixedBytes("ack "+name, 12)}
			private := fixedBytes("server "+suite, 32)
			if suite == "x25519" {
				private = vectorPrivate()
				v.Random.STUNID = fixedBytes("stun "+name, 12)
			} else {
				v.Random.MLKEM = fixedBytes("mlkem "+name, 32)
			}
			out.Vectors = append(out.Vectors, complete(v, private))
		}
	}
	return out
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The published file is what the oracle computes.
func TestVectors(t *testing.T) {
	for file, v := range map[string]vectors{vectorFile: makeVectors(), enrolFile: makeEnrolVectors(), askFile: makeAskVectors()} {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if published, err := os.ReadFile(file); err != nil || !bytes.Equal(published, text) {
			t.Errorf("%s is not what PROTOCOL.md says (%v)", file, err)
		}
	}
}

// The package reads the knocks of the published file, and derives the same.
func TestPackageReadsVectors(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		t.Run(v.Name, func(t *testing.T) {
			private, err := key.ParsePrivate(v.ServerPrivate)
			if err != nil {
				t.Fatal(err)
			}
			public := private.Public()
			veilKey, moatKey, hash := public.Veil(), public.Moat(v.Epoch), public.Hash()
			for _, tc := range []struct {
				name      string
				got, want any
			}{
				{"public key", public.Text(), v.ServerPublic},
				{"suite", public.Suite().String(), v.Suite},
				{"fingerprint", public.Fingerprint(), v.Fingerprint},
				{"hash", hash[:], []byte(v.ServerHash)},
				{"veil key", veilKey[:], []byte(v.VeilKey)},
				{"moat key", moatKey[:], []byte(v.MoatKey)},
				{"epoch", key.Epoch(time.UnixMilli(v.Request.Time)), v.Epoch},
			} {
				if !reflect.DeepEqual(tc.got, tc.want) {
					t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
				}
			}
			checkKnock(t, v, private)
			checkAck(t, v)
		})
	}
}

func checkKnock(t *testing.T, v vector, private key.Private) {
	now := time.UnixMilli(v.Request.Time)
	tagged, reason := spa.NewOpener(ringOf(t, v, private), time.Minute).Check(now, v.Knock)
	if reason != "" {
		t.Fatal(reason)
	}
	m, reason := tagged.Open()
	if reason != "" {
		t.Fatal(reason)
	}
	want := spa.Header{
		Op: spa.Op(v.Request.Op), Bound: v.Request.Flags&1 != 0, Ack: v.Request.Flags&2 != 0, Single: v.Request.Flags&4 != 0,
		Client: [6]byte(v.ClientID), Time: now.UTC(), Seconds: v.Request.Seconds,
	}
	if v.Request.Door != "" {
		want.Door = spa.DoorID(v.Request.Door)
	}
	if m.Header != want {
		t.Errorf("header %+v\nwant   %+v", m.Header, want)
	}
	if !bytes.Equal(m.Nonce[:], v.Random.R) || !bytes.Equal(m.Proof, v.Proof) || !bytes.Equal(m.Signed(v.Request.Bound), v.Message) {
		t.Error("R, proof or M differ")
	}
	// What the package answers, the oracle reads.
	datagram, err := m.SealAck(ackOf(v.Answer))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := unbox(v.AckKey, datagram[:12], datagram[12:], v.Knock[:12])
	if err != nil || v.Answer.Total <= 8 && !bytes.Equal(plain, v.AckPlain) {
		t.Errorf("acknowledged with %x (%v)\nwant              %x", plain, err, v.AckPlain)
	}
}

// ringOf makes the key of the vector the previous one, if its answer says so.
func ringOf(t *testing.T, v vector, private key.Private) key.Keyring {
	if v.Answer.Flags&1 == 0 {
		return key.NewKeyring(private)
	}
	next, err := key.Generate(private.Public().Suite())
	if err != nil {
		t.Fatal(err)
	}
	return key.NewKeyring(private).Rotate(next, time.UnixMilli(v.Request.Time).Add(time.Hour))
}

func checkAck(t *testing.T, v vector) {
	got, err := spa.SealedFrom(v.Knock, v.AckKey).OpenAck(v.Ack)
	if err != nil {
		t.Fatal(err)
	}
	if want := ackOf(v.Answer); !reflect.DeepEqual(got, want) {
		t.Errorf("acknowledgement %+v\nwant            %+v", got, want)
	}
}

func ackOf(a answer) spa.Ack {
	reasons := []spa.Reason{"", spa.UnknownDoor, spa.ForbiddenDoor, spa.ForbiddenFrom, spa.KeyExpired, spa.WrongAddress, spa.NotOpened, spa.ForbiddenWay}
	out := spa.Ack{
		Status: spa.Status(a.Status), Reason: reasons[a.Reason], OldKey: a.Flags&1 != 0,
		Time: time.UnixMilli(a.Time).UTC(), Source: a.Source, Total: int(a.Total),
	}
	for _, d := range a.Doors {
		out.Doors = append(out.Doors, spa.AckDoor{ID: [4]byte(d.ID), For: time.Duration(d.Seconds) * time.Second, Single: d.Flags&1 != 0})
	}
	return out
}

// The oracle reads its own vectors back.
func TestOracleReadsVectors(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		client := ed25519.NewKeyFromSeed(v.ClientSeed).Public().(ed25519.PublicKey)
		got, err := read(v.Knock, v.ServerPrivate, v.Request.Time, client, v.Request.Bound)
		if err != nil || !bytes.Equal(got.Header, v.Header) || !bytes.Equal(got.AckKey, v.AckKey) || !bytes.Equal(got.Message, v.Message) {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
