//go:build linux

package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/packet"
)

var reloadNow = control.ReloadRequest{}

// asRoot is a context in which root asks.
func asRoot(t *testing.T) context.Context {
	return control.As(t.Context(), "root", control.Administrator)
}

func openFor(door string) control.OpenRequest {
	return control.OpenRequest{Door: door, Source: alice, For: control.Duration(time.Minute)}
}

func ports(text string) (list []packet.Port) {
	for _, word := range strings.Fields(text) {
		p, err := packet.ParsePort(word)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}

// restart is a restart of the machine: the table is gone.
func (h *house) restart() {
	h.t.Helper()
	h.end()
	h.kernel.table = nil
	h.start()
}

// A mistake in the configuration opens nothing at a restart of the machine, and
// is reported wherever someone may look.
func TestUnreadableConfigurationAtBoot(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH + doorWeb)
	h.start()
	for name, spoil := range map[string]func(){
		"broken":  func() { h.write("sallyport.toml", "[[door]\n") },
		"invalid": func() { h.configure("[[door]]\nname = \"ssh\"\n") },
		"missing": func() { os.Remove(h.main) },
	} {
		spoil()
		h.restart()
		h.guards("tcp/22 tcp/443")
		if d := h.daemon.config.Load().Door("ssh"); len(d.Sequence) != 2 {
			t.Errorf("%s: no way in: %+v", name, d)
		}
		for place, text := range map[string]string{
			"status": strings.Join(h.daemon.problems.All(), "\n"),
			"unit":   h.daemon.statusLine(),
		} {
			if !strings.Contains(text, "the configuration cannot be read (") || !strings.Contains(text, "sallyport check") {
				t.Errorf("%s: %s says %q", name, place, text)
			}
		}
		h.eventually("log and finding", func() bool {
			log := h.status.String()
			return strings.Contains(log, "msg=failure detail=\"the configuration cannot be read") && strings.Contains(log, "not-in-force (high)")
		})
		h.configure(doorSSH)
		if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
			t.Fatal(err)
		}
		h.guards("tcp/22")
		if text := h.daemon.problems.Get("configuration"); text != "" {
			t.Errorf("mended: %s", text)
		}
		h.configure(doorSSH + doorWeb)
		if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
			t.Fatal(err)
		}
	}
}

// If the copy cannot be read either, what was closed is closed, and nobody has a
// way in but trusted sources.
func TestUnreadableCopyAtBoot(t *testing.T) {
	h := newHouse(t)
	h.configure("[gate]\ntrusted = [\"192.0.2.0/24\"]\n" + doorSSH + doorWeb)
	h.start()
	os.Remove(h.main)
	h.write("kept/in-force.json", "{\"path\": 7}")
	h.restart()
	h.guards("tcp/22 tcp/443")
	cfg := h.daemon.config.Load()
	if len(cfg.Clients) != 0 || len(cfg.Doors[0].Sequence) != 0 || !cfg.Trusts(alice) || cfg.Daemon.Socket != h.dir+"/control.sock" {
		t.Errorf("%+v", cfg)
	}
	if !strings.Contains(h.daemon.statusLine(), "neither the configuration") {
		t.Errorf("the unit says %q", h.daemon.statusLine())
	}
	// What runs now is not worth keeping: the next start finds the same.
	h.restart()
	h.guards("tcp/22 tcp/443")
	h.configure(doorSSH)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	h.guards("tcp/22")
}

// Where nothing was ever closed, or all is forgotten, a mistake is an error.
func TestNothingToFallBackTo(t *testing.T) {
	h := newHouse(t)
	if err := h.begin(0); err == nil || !strings.Contains(err.Error(), "load configuration") {
		t.Errorf("%v", err)
	}
	h.configure(doorSSH)
	h.start()
	h.end()
	h.kernel.table = nil
	if err := h.daemon.kept.Forget(); err != nil {
		t.Fatal(err)
	}
	os.Remove(h.main)
	if err := h.begin(0); err == nil {
		t.Error("starts with what is forgotten")
	}
	h.guards("nothing")
}

// Of the copy's clients count only those who have not been removed.
func TestRemovedClientsStayRemoved(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH + client("carol"))
	h.write("conf.d/client-alice.toml", client("alice"))
	h.write("conf.d/client-bob.toml", client("bob"))
	h.start()
	if err := os.Remove(filepath.Join(h.dir, "conf.d/client-alice.toml")); err != nil {
		t.Fatal(err)
	}
	if err := h.daemon.kept.Remove("carol", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	h.write("sallyport.toml", "[[door]\n")
	h.restart()
	var names []string
	for _, c := range h.daemon.config.Load().Clients {
		names = append(names, c.Name)
	}
	if strings.Join(names, " ") != "bob" {
		t.Errorf("clients: %v", names)
	}
	// A file that parses is in force, as it is.
	h.configure(spaOn + doorSSH + client("carol"))
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	if n := len(h.daemon.config.Load().Clients); n != 2 {
		t.Errorf("%d clients", n)
	}
	os.Remove(filepath.Join(h.dir, "conf.d/client-bob.toml"))
	h.configure(doorWeb)
	h.restart()
	h.guards("tcp/443")
}
