//go:build linux

package daemon

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/trial"
	"sallyport/internal/event"
)

// A trial that nobody confirms ends with what was before, in every part.
func TestRollback(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	h.configure(doorWeb + "[ban]\nenabled = true\ntries = 7\n")
	a, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(trial.Least), Force: true})
	if err != nil || a.Until.IsZero() {
		t.Fatalf("%+v %v", a, err)
	}
	h.guards("tcp/443")
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err == nil {
		t.Error("a reload during a trial is taken")
	}
	h.eventually("the rollback", func() bool { return h.kernel.closed() == "tcp/22" })
	h.eventually("it is said", func() bool { return strings.Contains(h.daemon.problems.Get("trial"), "was rolled back") })
	if h.tries() == 7 {
		t.Error("bans have the configuration that was rolled back")
	}
	if err := h.daemon.Confirm(t.Context()); err == nil {
		t.Error("confirmed after its end")
	}
	h.restart() // the file is still the one that was rolled back
	h.guards("tcp/22")
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Force: true}); err != nil {
		t.Fatal(err)
	}
	h.guards("tcp/443")
}

func TestConfirm(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	h.configure(doorWeb)
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(trial.Most), Force: true}); err != nil {
		t.Fatal(err)
	}
	if h.kernel.before == nil {
		t.Error("the kernel would not go back")
	}
	h.end()
	h.start() // the trial goes on
	h.guards("tcp/443")
	if err := h.daemon.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.kernel.before != nil || h.daemon.problems.Get("trial") != "" {
		t.Error("the trial goes on")
	}
	os.Remove(h.main)
	h.restart() // with what was confirmed
	h.guards("tcp/443")
}

// Who is removed during a trial is not brought back by its end, whichever it is,
// nor by a start after it.
func TestRemovedDuringATrial(t *testing.T) {
	for _, confirm := range []bool{true, false} {
		t.Run(fmt.Sprintf("confirmed: %t", confirm), func(t *testing.T) {
			h := newHouse(t)
			h.configure(spaOn + doorSSH + client("alice") + client("bob"))
			h.start()
			h.configure(spaOn + doorSSH + doorWeb + client("alice") + client("bob"))
			within := trial.Least
			if confirm {
				within = trial.Most
			}
			if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(within), Force: true}); err != nil {
				t.Fatal(err)
			}
			if err := h.daemon.kept.Remove("alice", func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			want := "tcp/22"
			if confirm {
				want = "tcp/22 tcp/443"
				if err := h.daemon.Confirm(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			h.eventually("the end of the trial", func() bool { return !h.daemon.trial.Record().Pending() })
			names := func() (list []string) {
				for _, c := range h.daemon.config.Load().Clients {
					list = append(list, c.Name)
				}
				return list
			}
			if got := names(); len(got) != 1 || got[0] != "bob" {
				t.Errorf("clients after the trial: %v", got)
			}
			h.guards(want)
			if confirm {
				h.write("sallyport.toml", "[[door]\n")
			}
			h.restart()
			if got := names(); len(got) != 1 || got[0] != "bob" {
				t.Errorf("clients after a start: %v", got)
			}
		})
	}
}

// A trial that fails leaves what was before, and no trace.
func TestTrialThatCannotBegin(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	h.write("state/server.key", "garbage\n")
	h.configure(spaOn + doorWeb)
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(trial.Most), Force: true}); err == nil {
		t.Fatal("a trial with a server key that is none")
	}
	h.guards("tcp/22")
	if r, err := h.daemon.kept.Read(); err != nil || r.Pending() {
		t.Errorf("%+v %v", r, err)
	}
	h.configure(doorWeb)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Errorf("no reload after it: %v", err)
	}
}

// What another program has removed comes back, but for single grants, which may
// have been used.
func TestRepair(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH + strings.Replace(doorWeb, "ports", "single = true\nports", 1))
	h.start()
	for _, door := range []string{"ssh", "web"} {
		if _, err := h.daemon.Open(asRoot(t), openFor(door)); err != nil {
			t.Fatal(err)
		}
	}
	h.kernel.mu.Lock()
	h.kernel.table = nil
	clear(h.kernel.grants)
	h.kernel.mu.Unlock()
	h.kernel.changed <- struct{}{}
	h.eventually("the table is back", func() bool { return h.kernel.closed() == "tcp/22 tcp/443" })
	h.eventually("it is said", func() bool {
		return strings.Contains(h.daemon.problems.Get("firewall"), "1 single grant ended; put back, with 1 grant")
	})
	if list, _ := h.kernel.Grants(time.Now()); len(list) != 1 || list[0].Door != "ssh" {
		t.Errorf("grants %+v", list)
	}
}

// A restart takes up the grants that the kernel has, and ends those of clients
// that are gone.
func TestRestoreEndsWhatIsNotAllowed(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH + client("alice"))
	until := time.Now().Add(time.Hour)
	for _, name := range []string{"alice", "bob"} {
		g := event.Grant{Door: "ssh", Client: name, Source: alice, Until: until}
		if name == "bob" {
			g.Source = alice.Next()
		}
		if err := h.kernel.Grant(g, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.eventually("bob's grant ends", func() bool {
		list, _ := h.kernel.Grants(time.Now())
		return len(list) == 1 && list[0].Client == "alice"
	})
}

// The API takes another token, and another address, without a restart; the
// connections of the one before are not refused meanwhile.
func TestAPIIsReloaded(t *testing.T) {
	h := newHouse(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	token := func(name string) string { return strings.Repeat(name, 40) }
	section := func(name string) string {
		h.write(name, token(name)+"\n")
		return fmt.Sprintf("[api]\nlisten = %q\ntoken_file = %q\n", address, filepath.Join(h.dir, name))
	}
	ask := func(name string) int {
		q, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/revoke", strings.NewReader(`{"all": true}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Close = true
		q.Header.Set("Authorization", "Bearer "+token(name))
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			return 0
		}
		a.Body.Close()
		return a.StatusCode
	}
	reload := func(text string) {
		t.Helper()
		h.configure(doorSSH + text)
		if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
			t.Fatal(err)
		}
	}
	h.configure(doorSSH)
	h.start()
	reload(section("a"))
	h.eventually("the API answers", func() bool { return ask("a") == http.StatusOK })
	reload(section("b"))
	h.eventually("the new token is known", func() bool { return ask("b") == http.StatusOK && ask("a") == http.StatusUnauthorized })
	reload("")
	h.eventually("the API is gone", func() bool { return ask("b") == 0 })
}

// A status says until when a configuration is on trial, and no longer than it is.
func TestStatusOfATrial(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	until := func() time.Time {
		s, err := h.daemon.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Trial
	}
	if at := until(); !at.IsZero() {
		t.Errorf("without a trial: %s", at)
	}
	h.configure(doorSSH + doorWeb)
	a, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(trial.Most), Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if at := until(); !at.Equal(a.Until) {
		t.Errorf("the trial lasts until %s, and the status says %s", a.Until, at)
	}
	if err := h.daemon.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := until(); !at.IsZero() {
		t.Errorf("after it is confirmed: %s", at)
	}
}
