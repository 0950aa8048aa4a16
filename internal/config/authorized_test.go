package config

import (
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/crypto/ssh"
)

const doorFor = `
[[door]]
name = "ssh"
ports = ["tcp/22"]
[spa]
port = 4000
authorized_keys = "/etc/keys"
`

func loadAuthorized(keys string, mode uint32) (*Config, error) {
	return Load(fstest.MapFS{
		"etc/s.toml": &fstest.MapFile{Data: []byte(doorFor), Mode: 0o600},
		"etc/keys":   &fstest.MapFile{Data: []byte(keys), Mode: 0o600 | fs.FileMode(mode)},
	}, "/etc/s.toml")
}

// words drops the comment of a key, which is the client's name in that file.
func words(key string) string { return strings.Join(strings.Fields(key)[:2], " ") }

func TestAuthorizedKeys(t *testing.T) {
	line, other := words(aKey), otherKey(t)
	if _, err := loadAuthorized("# people\ndoors=\"ssh\",colour ssh-ed25519 AAAA alice\n", 0); err == nil || !strings.Contains(err.Error(), "/etc/keys:2") {
		t.Errorf("a bad line: %v", err)
	}
	cfg, err := loadAuthorized(fmt.Sprintf("# people\n\ndoors=\"ssh\",max-open=\"5m\",single %s alice\n", line), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Clients[0]
	if c.Name != "alice" || c.Doors[0] != "ssh" || !c.Single || c.MaxOpen.Minutes() != 5 || c.Place.String() != "/etc/keys:3" {
		t.Errorf("%+v", c)
	}
	for name, keys := range map[string]string{
		"unknown door": fmt.Sprintf("doors=\"nosuch\" %s alice\n", line),
		"same key":     fmt.Sprintf("doors=\"ssh\" %s alice\ndoors=\"ssh\" %s bob\n", line, line),
		"same name":    fmt.Sprintf("doors=\"ssh\" %s alice\ndoors=\"ssh\" %s alice\n", line, other),
	} {
		if _, err := loadAuthorized(keys, 0); err == nil || !strings.Contains(err.Error(), "/etc/keys:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = Load(fstest.MapFS{"etc/s.toml": &fstest.MapFile{Data: []byte(doorFor), Mode: 0o600}}, "/etc/s.toml")
	if err == nil || !strings.Contains(err.Error(), "/etc/s.toml:7: spa: authorized_keys: /etc/keys cannot be read") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := loadAuthorized("", 0o022); err == nil {
		t.Error("a file that others may change was accepted")
	}
}

// otherKey makes a key that no other test has.
func otherKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}
