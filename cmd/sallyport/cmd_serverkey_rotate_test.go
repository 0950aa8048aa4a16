//go:build linux && !client_only

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/keyfile"
)

func (s server) shownKey() (k shownKey) {
	s.Helper()
	text := s.must("", "server-key", "show", "--json")
	if strings.Contains(text, "private") {
		s.Errorf("shows %s", text)
	}
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		s.Fatal(err)
	}
	return k
}

func TestServerKeyRotate(t *testing.T) {
	s := newServer(t, oneDoor)
	s.refuses("", "make the server key", "server-key", "show")
	s.refuses("", "make the server key", "server-key", "rotate")
	first := s.serverKey(key.X25519).Current().Public()
	s.must(newRSA(t, 2048), "client", "add", "rsa", "--key", "-", "--door", "ssh")
	s.must(newEd25519(t), "client", "add", "alice", "--key", "-", "--door", "ssh")
	if k := s.shownKey(); k.Fingerprint != first.Fingerprint() || k.Suite != "x25519" || k.PublicKey != first.Text() || k.Previous != "" || !k.PreviousUntil.IsZero() {
		t.Errorf("shows %+v", k)
	}
	for _, bad := range [][]string{{"--keep", "-1h"}, {"--keep", "5000d"}, {"--keep", "-1d"}, {"--keep", "x"}, {"--suite", "rot13"}} {
		s.refuses("", "", append([]string{"server-key", "rotate"}, bad...)...)
	}

	out := s.must("", "server-key", "rotate")
	second := s.shownKey()
	keep := time.Until(second.PreviousUntil)
	if second.Previous != first.Fingerprint() || second.Suite != "x25519" || keep < 29*24*time.Hour || keep > 30*24*time.Hour {
		t.Errorf("shows %+v", second)
	}
	if !strings.Contains(out, second.Fingerprint) || !strings.Contains(out, "give every client a new profile before that") || strings.Contains(out, "needs another key") {
		t.Errorf("said %q", out)
	}

	out = s.must("", "server-key", "rotate", "--suite", "mlkem768-x25519", "--keep", "1h")
	both := s.shownKey()
	if both.Suite != "mlkem768-x25519" || both.Other == nil || both.Other.Fingerprint != second.Fingerprint || both.Other.Previous != first.Fingerprint() ||
		!strings.Contains(out, both.Fingerprint) || !strings.Contains(out, "the other key stays in force") {
		t.Errorf("shows %+v, said %q", both, out)
	}
	// Each client gets the key that its own fits.
	for name, k := range map[string]string{"rsa": second.PublicKey, "alice": both.PublicKey} {
		if profile := s.must("", "client", "profile", name, "--host", "gate"); !strings.Contains(profile, k) {
			t.Errorf("the profile of %s has another key", name)
		}
	}

	out = s.must("", "server-key", "rotate", "--suite", "x25519", "--keep", "1h")
	if k := s.shownKey(); k.Fingerprint != both.Fingerprint || k.Other.Previous != second.Fingerprint || !strings.Contains(out, first.Fingerprint()+") was to be accepted until") {
		t.Errorf("shows %+v, said %q", k, out)
	}
	out = s.must("", "server-key", "rotate", "--keep", "0s")
	if k := s.shownKey(); k.Previous != "" || k.Fingerprint == both.Fingerprint || k.Other.Previous != second.Fingerprint || !strings.Contains(out, "no longer accepted; give every client a new profile now") {
		t.Errorf("shows %+v, said %q", k, out)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "server.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestServerKeyThatOthersCanRead(t *testing.T) {
	s := newServer(t, oneDoor)
	s.serverKey(key.Hybrid)
	path := filepath.Join(s.dir, "server.key")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s.refuses("", "chmod 600", "server-key", "show")
	s.refuses("", "chmod 600", "server-key", "rotate")
	if _, err := keyfile.Load(path); err == nil {
		t.Error("loaded")
	}
}
