//go:build linux

package daemon

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

func newMemoryDaemon() *Daemon {
	log := slog.New(slog.DiscardHandler)
	return &Daemon{log: log, problems: problems.New(hub.New().Put)}
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
		d := newMemoryDaemon()
		starting := &change{to: cfg}
		if _, err := d.prepareMemory(t.Context(), starting); err != nil {
			t.Fatal(err)
		}
		m := starting.memory
		if used := m.guard.Used(spent.Step("bob", "ssh", sequence.StepAt(time.Now()))); used != c.floor {
			t.Errorf("%s start: used %v", c.name, used)
		}
		if err := m.close(); err != nil {
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
	if _, err := newMemoryDaemon().prepareMemory(t.Context(), &change{to: cfg}); err == nil {
		t.Error("a daemon without memory starts")
	}
	cfg.Clients = nil
	d := newMemoryDaemon()
	if s, err := d.prepareMemory(t.Context(), &change{to: cfg}); err != nil || s.commit != nil {
		t.Errorf("a daemon that needs none: %v", err)
	}
	cfg.Doors[0].SequencesFile = "/etc/list"
	if _, err := d.prepareMemory(t.Context(), &change{from: cfg, to: cfg}); err == nil {
		t.Error("a reload that needs one is taken")
	}
}
