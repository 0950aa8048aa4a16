//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"sallyport/client"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/seal"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/etcd"
	"sallyport/internal/keyfile"

	"sallyport/internal/fleet/desk"
)

// joined has a gate join, by the whole way.
func (w operatorWorld) joined(name string) server {
	w.Helper()
	invitation := w.run(true, "", "fleet", "invite", name, "--group", "tokyo")
	s := w.gate()
	w.run(false, invitation, "fleet", "join", "-", "-c", s.config, "--yes", "--wait", "1s", "--address", "192.0.2.1")
	w.run(true, "", "fleet", "approve", name, "--yes", "--wait", "1s")
	return s
}

func TestClientsOfAFleet(t *testing.T) {
	w := newOperator(t)
	w.found()
	w.joined("tokyo-1")
	pub := filepath.Join(w.home, "carol.pub")
	if err := os.WriteFile(pub, ssh.MarshalAuthorizedKey(rolltest.Software(t).PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	profiles := filepath.Join(w.home, "profiles")
	add := func(good bool, more ...string) string {
		t.Helper()
		return w.run(good, "", append([]string{"client", "add", "carol", "--key", pub, "--door", "ssh", "--wait", "1s"}, more...)...)
	}
	if errs := add(false); !strings.Contains(errs, "--wait means nothing without --fleet") {
		t.Errorf("without --fleet: %s", errs)
	}
	if errs := add(false, "--fleet", "--host", "x"); !strings.Contains(errs, "--host means nothing with --fleet") {
		t.Errorf("with --host: %s", errs)
	}
	if errs := add(false, "--fleet", "--gate", "tokyo-2"); !strings.Contains(errs, `no gate "tokyo-2"`) {
		t.Errorf("at a gate that is none: %s", errs)
	}
	if out := add(true, "--fleet", "--group", "tokyo", "--from", "192.0.2.0/24", "--max-open", "10m", "--expires", "2099-01-31", "--profiles", profiles); !strings.Contains(out, "in force at 0 of 1 gate") {
		t.Errorf("added: %s", out)
	}
	if errs := add(false, "--fleet"); !strings.Contains(errs, "already") {
		t.Errorf("a second time: %s", errs)
	}
	text, err := os.ReadFile(filepath.Join(profiles, "tokyo-1.profile"))
	if p, err2 := client.ParseProfile(text); err != nil || err2 != nil || p.Host != "192.0.2.1" || p.ServerKey == "" {
		t.Errorf("the profile: %v, %v", err, err2)
	}
	w.run(true, "", "client", "profile", "carol", "--fleet", "--profiles", filepath.Join(w.home, "again"))
	if again, err := os.ReadFile(filepath.Join(w.home, "again", "tokyo-1.profile")); err != nil || string(again) != string(text) {
		t.Errorf("the profile, once more: %v", err)
	}
	if out := w.run(true, "", "client", "list", "--fleet"); !strings.Contains(out, "carol") || !strings.Contains(out, "2099-01-31") {
		t.Errorf("list: %s", out)
	}
	// No gate runs, so none has heard of what keeps her out.
	if errs := w.run(false, "", "revoke", "--fleet", "--client", "carol", "--wait", "1s"); !strings.Contains(errs, "not in force everywhere") {
		t.Errorf("revoke: %s", errs)
	}
	if out := w.run(true, "", "client", "list", "--fleet"); !strings.Contains(out, "revoked") {
		t.Errorf("list after revoke: %s", out)
	}
	w.run(true, "", "revoke", "--fleet", "--client", "carol", "--lift", "--wait", "1s")
	if errs := w.run(false, "", "client", "remove", "carol", "--fleet", "--wait", "1s"); !strings.Contains(errs, "not in force everywhere") {
		t.Errorf("remove: %s", errs)
	}
	if out := w.run(true, "", "client", "list", "--fleet", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("list after remove: %s", out)
	}
}

// A secret reaches the gate that it is for, and another one takes its place.
func TestSecretsOfAFleet(t *testing.T) {
	w := newOperator(t)
	w.found()
	gate := w.joined("tokyo-1")
	profiles := filepath.Join(w.home, "profiles")
	if errs := w.run(false, "", "client", "add", "bob", "--rotating", "--door", "ssh", "--fleet"); !strings.Contains(errs, "--profiles") {
		t.Errorf("a secret that nobody gets: %s", errs)
	}
	w.run(true, "", "client", "add", "bob", "--rotating", "--door", "ssh", "--fleet", "--profiles", profiles, "--wait", "1s")
	first := w.secret(gate, profiles)
	w.run(true, "", "client", "rotate", "bob", "--fleet", "--profiles", profiles, "--wait", "1s")
	if second := w.secret(gate, profiles); second == first {
		t.Error("the secret is the one that it was")
	}
	w.run(false, "", "client", "remove", "bob", "--fleet", "--wait", "1s")
	s := w.open()
	if page, err := s.Read(t.Context(), store.Query{Prefix: record.SecretPrefix}); err != nil || len(page.Records) > 0 {
		t.Errorf("%d secrets are left, %v", len(page.Records), err)
	}
}

func (w operatorWorld) open() store.Store {
	w.Helper()
	s, err := etcd.Open(etcd.Options{Endpoints: []string{w.etcd}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = s.Close() })
	return s
}

// secret opens what lies sealed to a gate for bob, as the gate does, and makes sure that
// it is what the profile has.
func (w operatorWorld) secret(gate server, profiles string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(profiles, "tokyo-1.profile"))
	if err != nil {
		w.Fatal(err)
	}
	p, err := client.ParseProfile(text)
	if err != nil {
		w.Fatal(err)
	}
	page, err := w.open().Read(w.Context(), store.Query{Prefix: record.SecretKey("tokyo-1", "bob")})
	if err != nil || len(page.Records) != 1 {
		w.Fatalf("%d records, %v", len(page.Records), err)
	}
	d, err := desk.Folder(filepath.Join(w.home, ".config", "sallyport")).Open(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer d.Close()
	ring, err := keyfile.Load(filepath.Join(gate.dir, "server.key"))
	if err != nil {
		w.Fatal(err)
	}
	got, err := seal.Open(ring, d.View.Clients["bob"].Secrets, seal.Place{Fleet: d.View.Fleet, Gate: "tokyo-1", Client: "bob"}, page.Records[0].Value)
	if err != nil || got != p.Rotating.At("tokyo-1") {
		w.Fatalf("the gate's secret is not the client's: %v", err)
	}
	return got.Text()
}
