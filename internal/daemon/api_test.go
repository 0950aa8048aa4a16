//go:build linux

package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

func TestUsersHaveWhatTheConfigurationGives(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH + "[api]\nview = [\"4001\", \"@4100\", \"both\"]\nask = [\"4005\", \"4001\"]\nact = [\"4002\", \"@4200\"]\nadmin = [\"4006\"]\n")
	h.start()
	socket := filepath.Join(h.dir, "control.sock")
	for _, c := range []struct {
		caller control.Caller
		want   control.Rights
	}{
		{control.Caller{UID: 4001}, control.Viewer | control.Asking},
		{control.Caller{UID: 4005}, control.Asking}, // and nothing else
		{control.Caller{UID: 4006}, control.Administrator},
		{control.Caller{UID: 4002}, control.Actor},
		{control.Caller{UID: 4003, Groups: []uint32{9, 4100}}, control.Viewer},
		{control.Caller{UID: 4001, Groups: []uint32{4200}}, control.Actor | control.Asking}, // all of them
		{control.Caller{UID: 4100}, 0},                                                      // a group's number is no user's
		{control.Caller{UID: 4003, Groups: []uint32{4001}}, 0},
	} {
		if got := h.daemon.rightsOf(c.caller); got != c.want {
			t.Errorf("%+v: %s, want %s", c.caller, got, c.want)
		}
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("users cannot connect: %v %v", info.Mode(), err)
	}
	h.configure(doorSSH)
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Fatal(err)
	}
	if got := h.daemon.rightsOf(control.Caller{UID: 4002}); got != 0 {
		t.Errorf("after a reload without them: %s", got)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("all users may still connect: %v %v", info.Mode(), err)
	}
}

// Those who may act, and no more, open within a door's limits.
func TestActingIsWithinADoorsLimits(t *testing.T) {
	h := newHouse(t)
	yesterday := time.Now().UTC().Add(-24 * time.Hour).Format("Mon")
	h.configure(doorSSH + "open_for = \"30s\"\n" + doorWeb + "hours = [\"" + yesterday + " 08:00-08:01\"]\n[gate]\ntimezone = \"UTC\"\n")
	h.start()
	act := control.As(t.Context(), "console says alice", control.Actor)
	for _, c := range []struct {
		q    control.OpenRequest
		want string
	}{
		{control.OpenRequest{Door: "ssh", Source: alice, For: control.Duration(31 * time.Second)}, "30s at most"},
		{control.OpenRequest{Door: "web", Source: alice}, "within its hours only"},
		{control.OpenRequest{Door: "ssh", Source: alice}, ""},
		{control.OpenRequest{Door: "ssh", Source: alice, For: control.Duration(time.Second)}, ""},
	} {
		_, err := h.daemon.Open(act, c.q)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.q, err)
		}
	}
	for _, q := range []control.OpenRequest{{Door: "web", Source: alice}, {Door: "ssh", Source: alice, For: control.Duration(time.Hour)}} {
		if _, err := h.daemon.Open(asRoot(t), q); err != nil {
			t.Errorf("root: %v", err)
		}
	}
	evil := netip.MustParseAddr("198.51.100.7")
	_, err := h.daemon.Revoke(act, control.RevokeRequest{Door: "ssh"})
	_, banned := h.daemon.Ban(act, control.BanRequest{Source: evil})
	_, lifted := h.daemon.Unban(act, control.UnbanRequest{Source: evil})
	if err := errors.Join(err, banned, lifted); err != nil {
		t.Fatal(err)
	}
	h.eventually("the journal says who ordered each", func() bool {
		a, err := h.daemon.Journal(t.Context(), control.JournalRequest{Kinds: []event.Kind{event.KindGrant, event.KindRevocation, event.KindBan}, Reasons: []event.Reason{event.ByOperator}})
		orders := make(map[string]bool)
		for _, e := range a.Entries {
			if strings.HasSuffix(e.Detail, "ordered by console says alice") {
				orders[fmt.Sprint(e.Kind, e.Ended)] = true
			}
		}
		return err == nil && len(orders) == 4
	})
}

// Someone who follows the daemon hears of everything, by the socket, and goes on after a
// restart of the daemon.
func TestFollowing(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	enough := errors.New("enough")
	conn := control.Dial(filepath.Join(h.dir, "control.sock"))
	begun, last := make(chan string, 1), ""
	ended := make(chan error, 1)
	go func() {
		ended <- conn.Follow(t.Context(), "", func(n control.Notice) error {
			if last = n.ID; n.Event == nil && len(n.Changes) == 0 {
				begun <- n.ID
			}
			if n.Event != nil && n.Event.Kind == event.KindGrant && n.Event.Source == alice && slices.Contains(n.Changes, "grants") {
				return enough
			}
			return nil
		})
	}()
	<-begun
	if _, err := conn.Open(t.Context(), openFor("ssh")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	h.end()
	h.start()
	if err := conn.Follow(t.Context(), last, func(n control.Notice) error {
		if !n.Restarted {
			t.Errorf("%+v: the restart is not seen", n)
		}
		return enough
	}); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// Questions are answered out of the configuration in force and the journal.
func TestInquiries(t *testing.T) {
	h := newHouse(t)
	h.configure(spaOn + "[gate]\nrotation_due = \"90d\"\n" + doorSSH + "polled = \"10s\"\nchanged = \"2020-01-01\"\n" + doorWeb + client("bob") + client("carol"))
	h.start()
	conn := control.Dial(filepath.Join(h.dir, "control.sock"))
	if _, err := conn.Open(t.Context(), openFor("ssh")); err != nil {
		t.Fatal(err)
	}
	h.daemon.events.Put(event.Event{Time: time.Now(), Kind: event.KindGrant, Door: "ssh", Client: "bob", Source: alice, Reason: event.BySPA, Authenticated: true})
	h.eventually("bob's last use", func() bool {
		a, err := h.daemon.Clients(t.Context(), control.ClientsRequest{})
		return err == nil && len(a.Clients) == 2 && a.Clients[0].Last != nil && a.Clients[0].Last.Door == "ssh" && a.Clients[1].Last == nil
	})
	a, err := h.daemon.Clients(t.Context(), control.ClientsRequest{Limit: 1})
	if err != nil || len(a.Clients) != 1 || !a.More || fmt.Sprint(a.Clients[0].Ways) != "[spa]" || !strings.HasPrefix(a.Clients[0].Key, "ssh-ed25519 SHA256:") {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := h.daemon.Clients(t.Context(), control.ClientsRequest{After: "bob"}); err != nil || len(a.Clients) != 1 || a.Clients[0].Name != "carol" || a.More {
		t.Errorf("%+v %v", a, err)
	}
	doors, err := h.daemon.DoorList(t.Context())
	if err != nil || len(doors.Doors) != 2 {
		t.Fatal(err)
	}
	if d := doors.Doors[0]; d.Grants != 1 || d.Clients != 2 || fmt.Sprint(d.Ways) != "[sequence spa]" || !d.Sequence.Overdue || d.Sequence.Due.IsZero() {
		t.Errorf("%+v %+v", d, d.Sequence)
	}
	if d := doors.Doors[1]; !d.Sequence.Overdue || !d.Sequence.Changed.IsZero() {
		t.Errorf("%+v: its age is not known, and one is demanded", d.Sequence)
	}
	if k, err := h.daemon.Keys(t.Context()); err != nil || len(k.Keys) == 0 || !strings.Contains(k.Keys[0].Fingerprint, ":") {
		t.Errorf("%+v %v", k, err)
	}
	if r, err := h.daemon.Report(t.Context(), control.ReportRequest{}); err != nil || r.Grants == 0 || len(r.Doors) != 2 {
		t.Errorf("%+v %v", r, err)
	}
	h.daemon.events.Put(event.Event{Time: time.Now(), Kind: event.KindRefusal, Source: alice, Reason: event.BadSeal})
	for of, want := range map[string][2]int{alice.String(): {1, 1}, alice.String() + "/24": {1, 1}, "bob": {0, 0}, "ssh": {1, 0}, "carol": {0, 0}, "192.0.2.99": {0, 0}} { // grants in force, reasons
		h.eventually("why "+of, func() bool {
			w, err := h.daemon.Why(t.Context(), control.WhyRequest{Of: of})
			return err == nil && len(w.Grants) == want[0] && len(w.Reasons) == want[1] && (want[1] == 0 || w.Reasons[0].Meaning != "") && (len(w.Events) > 0) == (of != "carol" && of != "192.0.2.99")
		})
	}
	list, err := h.daemon.Sources(t.Context(), control.SourcesRequest{Door: "ssh"})
	if err != nil || fmt.Sprint(list) != "["+alice.String()+"/32]" {
		t.Errorf("%v %v", list, err)
	}
	for _, door := range []string{"web", "none"} {
		if _, err := h.daemon.Sources(t.Context(), control.SourcesRequest{Door: door}); err == nil {
			t.Errorf("the sources of %s may be read", door)
		}
	}
}

// Who logs in at the console is in the journal under the name of who says so; such notes
// are of a few forms, and so many in a minute.
func TestNotes(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	ctx := control.As(t.Context(), "console says alice", control.Viewer)
	if _, err := h.daemon.Note(ctx, control.NoteRequest{What: "login", Source: alice, Text: "by link, to view"}); err != nil {
		t.Fatal(err)
	}
	h.eventually("the note", func() bool {
		a, err := h.daemon.Journal(ctx, control.JournalRequest{Kinds: []event.Kind{event.KindLogin}})
		return err == nil && len(a.Entries) == 1 && a.Entries[0].Source == alice && a.Entries[0].Detail == `console says alice: logged in at the console: "by link, to view"`
	})
	for _, q := range []control.NoteRequest{{}, {What: "anything"}, {What: "login", Text: "a\nb"}, {What: "login", Text: strings.Repeat("x", 81)}, {What: "login", Text: "\u202e"}} {
		if e := (*control.Error)(nil); !errors.As(errOf(h.daemon.Note(ctx, q)), &e) || !e.Wrong {
			t.Errorf("%+v: %v", q, e)
		}
	}
	refused := 0
	for range 3 * notesOfMinute { // at most two minutes
		if errOf(h.daemon.Note(ctx, control.NoteRequest{What: "failed"})) != nil {
			refused++
		}
	}
	if refused < notesOfMinute {
		t.Errorf("%d of %d were refused", refused, 3*notesOfMinute)
	}
}

func errOf[T any](_ T, err error) error { return err }

// What makes no sense is refused, and what is asked for is bounded.
func TestInquiriesAreBounded(t *testing.T) {
	h := newHouse(t)
	h.configure(doorSSH)
	h.start()
	h.eventually("there is a journal", func() bool { _, err := h.daemon.Journal(t.Context(), control.JournalRequest{}); return err == nil })
	ctx := t.Context()
	for name, ask := range map[string]func() error{
		"too many entries": func() error { _, err := h.daemon.Journal(ctx, control.JournalRequest{Limit: 1001}); return err },
		"fewer than none":  func() error { _, err := h.daemon.Journal(ctx, control.JournalRequest{Limit: -1}); return err },
		"no source": func() error {
			_, err := h.daemon.Journal(ctx, control.JournalRequest{Source: "fe80::1%eth0"})
			return err
		},
		"no kind": func() error {
			_, err := h.daemon.Journal(ctx, control.JournalRequest{Kinds: []event.Kind{"gift"}})
			return err
		},
		"no reason": func() error {
			_, err := h.daemon.Journal(ctx, control.JournalRequest{Reasons: []event.Reason{"mood"}})
			return err
		},
		"no language":        func() error { _, err := h.daemon.Findings(ctx, control.FindingsRequest{Lang: "fr"}); return err },
		"no language either": func() error { _, err := h.daemon.Report(ctx, control.ReportRequest{Lang: "xx"}); return err },
		"no severity":        func() error { _, err := h.daemon.Findings(ctx, control.FindingsRequest{Severity: "grave"}); return err },
		"too many clients":   func() error { _, err := h.daemon.Clients(ctx, control.ClientsRequest{Limit: 501}); return err },
		"no client":          func() error { _, err := h.daemon.Clients(ctx, control.ClientsRequest{After: "x"}); return err },
		"no time": func() error {
			_, err := h.daemon.Report(ctx, control.ReportRequest{Since: time.Now().Add(time.Hour)})
			return err
		},
		"why nothing":        func() error { _, err := h.daemon.Why(ctx, control.WhyRequest{}); return err },
		"why a stranger":     func() error { _, err := h.daemon.Why(ctx, control.WhyRequest{Of: "mallory"}); return err },
		"no notice":          func() error { _, err := h.daemon.Notices(ctx, control.NoticesRequest{After: "x"}); return err },
		"no door to look at": func() error { _, err := h.daemon.Sources(ctx, control.SourcesRequest{Door: "ssh"}); return err },
	} {
		if e := (*control.Error)(nil); !errors.As(ask(), &e) || !e.Wrong || e.Remedy == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
