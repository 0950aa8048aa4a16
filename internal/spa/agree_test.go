package spa_test

import (
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// sshProver makes proofs as a client does.
type sshProver struct{ ssh.Signer }

func (p sshProver) ProofSize() int {
	n, err := sshauth.ProofSize(p.PublicKey())
	if err != nil {
		panic(err)
	}
	return n
}

func (p sshProver) Prove(message []byte) ([]byte, error) { return sshauth.Sign(p.Signer, message) }

// What the package and sshauth write, the oracle reads and verifies, and what
// the oracle answers, the package reads.
func TestOracleReadsPackage(t *testing.T) {
	clientPublic, clientPrivate, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(clientPrivate)
	if err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1935921600123).UTC()
	home, abroad := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		for _, tc := range []struct {
			bound, source netip.Addr
			want          error
		}{
			{netip.Addr{}, home, nil}, {home, home, nil}, {abroad, abroad, nil}, {home, abroad, errProof},
		} {
			t.Run(fmt.Sprintf("%v, bound to %v, from %v", suite, tc.bound, tc.source), func(t *testing.T) {
				private, err := key.Generate(suite)
				if err != nil {
					t.Fatal(err)
				}
				h := spa.Header{Op: spa.Open, Ack: true, Client: sshauth.ID(signer.PublicKey()), Door: spa.DoorID("ssh"), Time: now, Seconds: 60}
				s, err := spa.Seal(private.Public(), h, tc.bound, sshProver{signer})
				if err != nil {
					t.Fatal(err)
				}
				v, err := read(s.Datagram, private.Reveal(), now.UnixMilli(), clientPublic, tc.source)
				if err != tc.want {
					t.Fatalf("got %v, want %v", err, tc.want)
				}
				if err != nil {
					return
				}
				flags := byte(2)
				if tc.bound.IsValid() {
					flags = 3
				}
				if want := (request{1, flags, "ssh", now.UnixMilli(), 60, tc.bound}).header(h.Client[:]); string(v.Header) != string(want) {
					t.Errorf("header %x\nwant   %x", v.Header, want)
				}
				nonce := make([]byte, 12)
				plain := answer{Status: 1, Total: 1, Time: now.UnixMilli(), Source: tc.source, Doors: []answerDoor{{doorID("ssh"), 0, 30}}}.plain()
				ack, err := s.OpenAck(cat(nonce, box(v.AckKey, nonce, plain, s.Datagram[:12])))
				if err != nil || ack.Source != tc.source || ack.Doors[0].For != 30*time.Second {
					t.Errorf("acknowledged %+v, %v", ack, err)
				}
			})
		}
	}
}

// The reasons of this package are words of the gate.
func TestReasonsAreWordsOfTheGate(t *testing.T) {
	for reason, word := range map[spa.Reason]event.Reason{
		spa.BadLength: event.BadLength, spa.BadTag: event.BadTag, spa.BadSeal: event.BadSeal, spa.BadHeader: event.BadHeader,
		spa.UnknownDoor: event.UnknownDoor, spa.ForbiddenDoor: event.ForbiddenDoor, spa.ForbiddenFrom: event.ForbiddenFrom,
		spa.KeyExpired: event.KeyExpired, spa.WrongAddress: event.WrongAddress, spa.NotOpened: event.NotOpened,
	} {
		if event.Reason(reason) != word {
			t.Errorf("%q is not %q", reason, word)
		}
	}
}
