package spa_test

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// What one gate carries to another is judged there as it was here, and counts for the
// source and the server key that the client meant.
func TestCarried(t *testing.T) {
	source, now := netip.MustParseAddr("192.0.2.7"), time.Now().Truncate(time.Millisecond)
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		private, err := key.Generate(suite)
		if err != nil {
			t.Fatal(err)
		}
		_, own, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromSigner(own)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := spa.Seal(private.Public(), spa.Header{Op: spa.Open, Client: sshauth.ID(signer.PublicKey()), Door: spa.DoorID("ssh"), Time: now, Seconds: 60}, source, sshProver{signer})
		if err != nil {
			t.Fatal(err)
		}
		tagged, reason := spa.NewOpener(key.NewKeyring(private), time.Minute).Check(now, sealed.Datagram)
		if reason != "" {
			t.Fatal(reason)
		}
		m, reason := tagged.Open()
		if reason != "" {
			t.Fatal(reason)
		}
		c, err := spa.ParseCarried(m.Carry())
		if err != nil || c.Header != m.Header || c.Suite != suite || !bytes.Equal(c.Proof, m.Proof) {
			t.Fatalf("%+v %v", c, err)
		}
		if err := sshauth.Verify(signer.PublicKey(), c.Signed(private.Public(), source), c.Proof); err != nil {
			t.Error(err)
		}
		if sshauth.Verify(signer.PublicKey(), c.Signed(private.Public(), netip.MustParseAddr("192.0.2.8")), c.Proof) == nil {
			t.Error("it counts for another source")
		}
		text := m.Carry()
		for i := range text {
			if _, err := spa.ParseCarried(text[:i]); err == nil {
				t.Fatalf("%d bytes of %d are a message", i, len(text))
			}
		}
		if _, err := spa.ParseCarried(append(bytes.Clone(text), 0)); err == nil && suite == key.Hybrid {
			t.Error("a longer one is a message")
		}
	}
}

func FuzzParseCarried(f *testing.F) {
	f.Add(append([]byte{0, 1}, make([]byte, 1300)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := spa.ParseCarried(b); err == nil && c.Header.Op != spa.Open {
			t.Errorf("%+v", c)
		}
	})
}
