package spa_test

import (
	"crypto/ed25519"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// makeAskVectors computes the file of section 16. Nothing is answered.
func makeAskVectors() vectors {
	const ms = 1935921600123
	out := vectors{Comment: "Test vectors of docs/PROTOCOL.md, section 16. The keys are public: never use them. Written by: go test ./internal/spa -run TestVectors -update"}
	for _, tc := range []struct {
		suite, name string
		request     request
	}{
		{"mlkem768-x25519", "ask for a door", request{Op: 4, Door: "ssh", Time: ms}},
		{"x25519", "ask for a door, bound", request{Op: 4, Flags: 1, Door: "ssh", Time: ms, Bound: vectorSource}},
		{"x25519", "ask, the operator chooses", request{Op: 4, Time: ms}},
	} {
		name, private := tc.suite+": "+tc.name, vectorPrivate()
		v := vector{Name: name, Suite: tc.suite, Request: tc.request, ClientSeed: fixedBytes("client", 32)}
		v.Random = random{R: fixedBytes("r "+name, 8), X25519: fixedBytes("x25519 "+name, 32), AckNonce: make([]byte, 12)}
		v.Answer.Source = vectorSource
		if tc.suite == "x25519" {
			v.Random.STUNID = fixedBytes("stun "+name, 12)
		} else {
			private, v.Random.MLKEM = fixedBytes("server "+tc.suite, 32), fixedBytes("mlkem "+name, 32)
		}
		v = complete(v, private)
		v.Random.AckNonce, v.AckKey, v.Answer, v.AckPlain, v.Ack, v.STUNAnswer = nil, nil, answer{}, nil, nil, nil
		out.Vectors = append(out.Vectors, v)
	}
	return out
}

// The package reads the published messages that ask, and derives the same code; and so
// does the one who asks.
func TestPackageReadsAsks(t *testing.T) {
	text, err := os.ReadFile(askFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		private, err := key.ParsePrivate(v.ServerPrivate)
		if err != nil {
			t.Fatal(err)
		}
		checkAsk(t, v, private)
		h := spa.Header{Op: spa.Ask, Time: time.UnixMilli(v.Request.Time)}
		s, err := spa.Seal(private.Public(), h, netip.Addr{}, newSSHProver(t))
		if err != nil {
			t.Fatal(err)
		}
		m := opened(t, private, h.Time, s.Datagram)
		mine, errMine := s.AskCode()
		its, errIts := m.AskCode()
		if errMine != nil || errIts != nil || !mine.Equal(its) {
			t.Errorf("%s and %s, %v, %v", mine.Show(), its.Show(), errMine, errIts)
		}
	}
}

func checkAsk(t *testing.T, v vector, private key.Private) {
	t.Helper()
	m := opened(t, private, time.UnixMilli(v.Request.Time), v.Knock)
	want := spa.Header{Op: spa.Ask, Bound: v.Request.Flags == 1, Client: [6]byte(v.ClientID), Time: time.UnixMilli(v.Request.Time).UTC()}
	if v.Request.Door != "" {
		want.Door = spa.DoorID(v.Request.Door)
	}
	if m.Header != want || string(m.Signed(v.Request.Bound)) != string(v.Message) {
		t.Errorf("%s: %+v", v.Name, m.Header)
	}
	if code, err := m.AskCode(); err != nil || strings.ReplaceAll(code.Show(), " ", "") != v.Code {
		t.Errorf("%s: code %s, %v, want %s", v.Name, code.Show(), err, v.Code)
	}
}

func opened(t *testing.T, private key.Private, at time.Time, datagram []byte) *spa.Message {
	t.Helper()
	tagged, reason := spa.NewOpener(key.NewKeyring(private), time.Minute).Check(at, datagram)
	if reason != "" {
		t.Fatal(reason)
	}
	m, reason := tagged.Open()
	if reason != "" {
		t.Fatal(reason)
	}
	return m
}

func newSSHProver(t *testing.T) sshProver {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return sshProver{signer}
}
