//go:build linux

package memory

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/hub"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
	"sallyport/internal/spent"
)

func rotatingConfig(state string) *config.Config {
	return &config.Config{
		Daemon:   config.Daemon{StateDir: state},
		Rotating: config.Rotating{Shape: sequence.DefaultShape, Within: 10 * time.Second},
		Doors:    []config.Door{{Name: "ssh", Ports: []packet.Port{{Proto: packet.TCP, Number: 22}}, OpenFor: time.Minute}},
		Clients:  []config.Client{{Name: "bob", Doors: []string{"ssh"}, Rotating: config.Secret{Current: sequence.NewSecret([20]byte{1})}}},
	}
}

func opened(cfg *config.Config) (*Memory, error) {
	return Open(cfg, problems.New(hub.New().Put, func() {}), slog.New(slog.DiscardHandler))
}

func TestMemoryOfTheFirstStart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	cfg := rotatingConfig(state)
	for _, c := range []struct {
		name  string
		do    func() error
		floor bool
	}{
		{"first", func() error { return nil }, false},
		{"second", func() error { return nil }, false},
		{"lost", func() error { return os.RemoveAll(filepath.Join(state, "spent")) }, true},
	} {
		if c.name == "lost" { // something else has been kept there
			if err := os.Mkdir(filepath.Join(state, "replay"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		m, err := opened(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if used := m.guard.Used(spent.Step("bob", "ssh", sequence.StepAt(time.Now()))); used != c.floor {
			t.Errorf("%s start: used %v", c.name, used)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be kept stops a daemon that needs it, and no other.
func TestMemoryThatCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := rotatingConfig(file)
	if _, err := opened(cfg); err == nil {
		t.Error("a daemon without memory starts")
	}
	cfg.Clients = nil
	if m, err := opened(cfg); err != nil || m != nil {
		t.Errorf("a daemon that needs none: %v", err)
	}
	cfg.Doors[0].SequencesFile = "/etc/list"
	if _, err := opened(cfg); err == nil {
		t.Error("a reload that needs one is taken")
	}
}
