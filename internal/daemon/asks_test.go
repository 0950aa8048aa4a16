//go:build linux

package daemon

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/askcode"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

// asked has the daemon take what the gate would have decided.
func (h *house) asked(client string, code askcode.Code, door string) {
	h.daemon.Take(time.Now(), gate.Decision{Kind: event.KindAsked, Client: client, Source: alice, Door: door, Authenticated: true, Code: &code, Message: event.Message{7}})
}

func (h *house) waits() []control.Ask {
	h.t.Helper()
	a, err := h.daemon.Asks(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return a.Asks
}

// An operator who types the right code opens one door for one address, within the door's
// limits, and the journal says who let whom in. The code is nowhere.
func TestApproving(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH + "open_for = \"30s\"\n" + doorWeb + client("bob"))
	h.start()
	code := askcode.Random()
	h.asked("bob", code, "")
	list := h.waits()
	if len(list) != 1 || list[0].Client != "bob" || list[0].Source != alice || list[0].Tries != 5 {
		t.Fatalf("%+v", list)
	}
	act := control.As(t.Context(), "console says carol", control.Actor)
	for _, c := range []struct {
		q    control.ApproveRequest
		want string
	}{
		{control.ApproveRequest{Code: "BCD FG"}, "has 6 letters"},
		{control.ApproveRequest{Code: "no cod!"}, "has the letters"},
		{control.ApproveRequest{Code: other(code), Door: "ssh"}, "nobody who waits has this code"},
		{control.ApproveRequest{Code: code.Show()}, "which door"},
		{control.ApproveRequest{Code: code.Show(), Door: "attic"}, "there is no door"},
		{control.ApproveRequest{Code: code.Show(), Door: "ssh", For: control.Duration(time.Hour)}, "30s at most"},
	} {
		if _, err := h.daemon.Approve(act, c.q); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.q, err, c.want)
		}
	}
	a, err := h.daemon.Approve(act, control.ApproveRequest{Code: strings.ToLower(code.Show()), Door: "ssh", For: control.Duration(20 * time.Second)})
	if err != nil || a.Source != alice || a.Door != "ssh" || a.Client != "bob" || time.Until(a.Until) > 20*time.Second {
		t.Fatalf("%+v %v", a, err)
	}
	if _, err := h.daemon.Approve(act, control.ApproveRequest{Code: code.Show(), Door: "ssh"}); err == nil {
		t.Error("a code works twice")
	}
	h.eventually("the journal says who let whom in", func() bool {
		a, err := h.daemon.Journal(t.Context(), control.JournalRequest{Limit: 100})
		var said string
		for _, e := range a.Entries {
			said += string(e.Kind) + " " + e.Client + " " + e.Door + ": " + e.Detail + "\n"
		}
		if strings.Contains(said, code.Show()) || strings.Contains(said, strings.ReplaceAll(code.Show(), " ", "")) {
			t.Fatal("the journal has the code")
		}
		return err == nil && strings.Contains(said, "asked bob : waits for an operator until ") &&
			strings.Contains(said, "allowed bob ssh: for 20s, allowed by console says carol, asked as "+list[0].ID) &&
			strings.Contains(said, "grant  ssh: for 20s, ordered by console says carol, asked for by bob as "+list[0].ID)
	})
	if len(h.waits()) != 0 {
		t.Error("it is listed on")
	}
}

// other is a code that is not this one.
func other(c askcode.Code) string {
	for {
		if o := askcode.Random(); !o.Equal(c) {
			return o.Show()
		}
	}
}

// People who have nothing ask by whatever has the right to ask for them, and hear what
// became of it.
func TestAskingForAStranger(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	ctx := t.Context()
	for name, q := range map[string]control.AskRequest{
		"no address": {}, "loopback": {Source: netip.MustParseAddr("127.0.0.1")}, "a zone": {Source: netip.MustParseAddr("fe80::1%eth0")},
		"a long note": {Source: alice, Note: strings.Repeat("x", 101)}, "no text": {Source: alice, Note: "\xff"}, "no door": {Source: alice, Door: "attic"},
	} {
		if e := (*control.Error)(nil); func() bool { _, err := h.daemon.Ask(ctx, q); return !errors.As(err, &e) || !e.Wrong }() {
			t.Errorf("%s: %+v", name, e)
		}
	}
	a, err := h.daemon.Ask(ctx, control.AskRequest{Source: alice, Note: "Bob,\n  on the road"})
	if err != nil {
		t.Fatal(err)
	}
	if e := (*control.Error)(nil); func() bool {
		_, err := h.daemon.Ask(ctx, control.AskRequest{Source: alice})
		return !errors.As(err, &e) || e.Reason != control.AskedAlready
	}() {
		t.Errorf("a second time: %+v", e)
	}
	state := func(want control.AskState) {
		t.Helper()
		if s, err := h.daemon.Asked(ctx, control.AskedRequest{Token: a.Token}); err != nil || s.State != want {
			t.Errorf("%+v, %v, want %s", s, err, want)
		}
	}
	state(control.AskWaiting)
	list := h.waits()
	if len(list) != 1 || list[0].Note != "Bob, on the road" || list[0].Client != "" || list[0].ID == a.Token || list[0].Lookup != nil && list[0].Lookup.Banned {
		t.Fatalf("%+v", list)
	}
	if _, err := h.daemon.Refuse(asRoot(t), control.RefuseRequest{ID: list[0].ID[:4]}); err != nil {
		t.Fatal(err)
	}
	state(control.AskDeclined)
	if a, err = h.daemon.Ask(ctx, control.AskRequest{Source: alice}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.daemon.Approve(asRoot(t), control.ApproveRequest{Code: a.Code}); err != nil { // the only door there is
		t.Fatal(err)
	}
	state(control.AskAllowed)
	if _, err := h.daemon.Ban(asRoot(t), control.BanRequest{Source: netip.MustParseAddr("198.51.100.9")}); err != nil {
		t.Fatal(err)
	}
	if e := (*control.Error)(nil); func() bool {
		_, err := h.daemon.Ask(ctx, control.AskRequest{Source: netip.MustParseAddr("198.51.100.9")})
		return !errors.As(err, &e) || e.Reason != string(event.Banned)
	}() {
		t.Errorf("someone who is banned asks: %+v", e)
	}
	h.restart() // and all is forgotten
	state(control.AskOver)
}

// A client that has been taken out, or whose message has come from a second address, is
// not let in by what it asked before.
func TestAsksThatEnd(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + doorSSH + client("bob") + client("dave"))
	h.start()
	code := askcode.Random()
	h.asked("bob", code, "ssh")
	h.asked("dave", askcode.Random(), "ssh")
	h.configure(spaOn + doorSSH + client("dave"))
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.daemon.Approve(asRoot(t), control.ApproveRequest{Code: code.Show()}); err == nil {
		t.Error("a client that is gone is let in")
	}
	if list := h.waits(); len(list) != 1 || list[0].Client != "dave" {
		t.Errorf("%+v", list)
	}
	h.daemon.Withdraw("dave", event.Message{8})
	if len(h.waits()) != 1 {
		t.Error("another message ends it")
	}
	h.daemon.Withdraw("dave", event.Message{7})
	if list := h.waits(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
