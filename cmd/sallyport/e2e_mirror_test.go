//go:build linux && !client_only

package main

import (
	"encoding/json"
	"testing"
	"time"
)

// Another firewall hears of what opens and closes here, and of everything after a restart
// of the daemon.
func TestAnotherFirewallIsKeptAtWhatIsOpen(t *testing.T) {
	t.Parallel()
	w := newGuarded(t, journaledDoor+"[[webhook]]\nurl = \"http://127.0.0.1:8097/\"\nreconcile = true\n")
	heard := w.listenForWebhooks("127.0.0.1:8097")
	type message struct {
		Sequence     int
		Full         bool
		Open, Closed []struct {
			Door, Source string
			Until        time.Time
		}
	}
	next := func() (m message) {
		t.Helper()
		select {
		case text := <-heard:
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		case <-time.After(patience):
			t.Fatal("nothing is sent")
		}
		return m
	}
	source := w.Client.IP4.String()
	if m := next(); !m.Full || len(m.Open) != 0 { // it may have been away at first
		t.Errorf("%+v", m)
	}
	w.must(w.Gate, "open", "ssh", "--source", source, "--for", "10m", "-c", w.config)
	if m := next(); m.Full || m.Sequence != 2 || len(m.Open) != 1 || m.Open[0].Source != source || m.Open[0].Door != "ssh" || time.Until(m.Open[0].Until) > 10*time.Minute {
		t.Errorf("%+v", m)
	}
	w.kill()
	w.start()
	if m := next(); !m.Full || len(m.Open) != 1 || m.Open[0].Source != source {
		t.Errorf("after a restart: %+v", m)
	}
	w.must(w.Gate, "revoke", "--all", "-c", w.config)
	if m := next(); len(m.Closed) != 1 || m.Closed[0].Source != source {
		t.Errorf("%+v", m)
	}
}
