//go:build linux

package daemon

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/trial"
	"sallyport/internal/enrolled"
	"sallyport/internal/enrolled/kept"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/spa"
)

const spaForInvites = "[spa]\nport = 40321\nstun = true\n"

func aPublicKey(t *testing.T) []byte {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func (h *house) invites(name string, doors ...string) enrolled.Record {
	h.t.Helper()
	key := aPublicKey(h.t)
	if _, err := h.daemon.Invite(h.t.Context(), control.InviteRequest{Client: name, Doors: doors, Key: key, For: control.Duration(time.Hour)}); err != nil {
		h.t.Fatal(err)
	}
	list := h.daemon.enrolled.List()
	return list[slices.IndexFunc(list, func(r enrolled.Record) bool { return string(r.Key) == string(key) })]
}

// uses has the daemon carry out what the gate would have decided.
func (h *house) uses(r enrolled.Record, key []byte) {
	h.daemon.enrolled.Order(time.Now(), gate.Decision{Kind: event.KindEnrolment, Client: r.Name, Source: alice, Authenticated: true,
		Enrolment: &enrolled.Enrolment{Invite: r, Use: enrolled.Use{Kind: spa.KindEd25519, Key: key, At: time.Now().UTC().Truncate(time.Second)}}})
}

func (h *house) clients() string {
	var names []string
	for _, c := range h.daemon.config.Load().Clients {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func (h *house) knows(want string) {
	h.t.Helper()
	if got := h.clients(); got != want {
		h.t.Errorf("clients: %s, want %s", got, want)
	}
}

func (h *house) enrols(name string, doors ...string) {
	h.t.Helper()
	h.uses(h.invites(name, doors...), aPublicKey(h.t))
	h.eventually(name+" is enrolled", func() bool { return slices.Contains(strings.Fields(h.clients()), name) })
}

// No reload, trial, rollback, restart or broken configuration touches who is enrolled.
func TestEnrolledClientsAreALayer(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH + client("alice"))
	h.start()
	h.enrols("phone", "ssh")
	h.knows("alice phone")
	h.restart()
	h.knows("alice phone")
	h.configure(spaForInvites + doorSSH + doorWeb + client("alice") + client("bob"))
	a, err := h.daemon.Reload(t.Context(), control.ReloadRequest{DryRun: true, Force: true})
	if err != nil || strings.Contains(fmt.Sprint(a.Changes), "phone") {
		t.Errorf("what a reload would change: %+v, %v", a, err)
	}
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Confirm: control.Duration(trial.Least), Force: true}); err != nil {
		t.Fatal(err)
	}
	h.knows("alice bob phone")
	h.enrols("tablet", "ssh") // during the trial
	h.eventually("the rollback", func() bool { return !h.daemon.trial.Record().Pending() })
	h.knows("alice phone tablet")
	h.write("sallyport.toml", "[[door]\n")
	h.restart()
	h.knows("alice phone tablet")
	if _, err := h.daemon.Remove(t.Context(), control.RemoveRequest{Client: "phone"}); err != nil {
		t.Fatal(err)
	}
	h.knows("alice tablet")
	h.restart()
	h.knows("alice tablet")
}

// What becomes of invites and of who has enrolled is on record with who ordered it.
func TestOrdersAboutEnrolledClientsAreOnRecord(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	h.enrols("phone", "ssh")
	alice := control.As(t.Context(), "console says alice", control.Administrator)
	began, err := h.daemon.Notices(t.Context(), control.NoticesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	invite := control.InviteRequest{Client: "tablet", Doors: []string{"ssh"}, Key: aPublicKey(t), For: control.Duration(time.Hour)}
	if _, err := h.daemon.Invite(alice, invite); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"営業部", ""} {
		if _, err := h.daemon.Label(alice, control.LabelRequest{Client: "phone", Label: label}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"phone", "tablet"} {
		if _, err := h.daemon.Remove(alice, control.RemoveRequest{Client: name}); err != nil {
			t.Fatal(err)
		}
	}
	text, after := "", began[0].ID
	h.eventually("all is on record", func() bool {
		list, err := h.daemon.Notices(t.Context(), control.NoticesRequest{After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			if after = n.ID; n.Event != nil {
				text += n.Event.Detail + "\n"
			}
		}
		return strings.Contains(text, "taken back")
	})
	for _, what := range []string{"an invite was made for ssh, valid until .*", `the label is now "営業部"`, "the label was removed", "the enrolled client was removed", "the open invite was taken back"} {
		if !regexp.MustCompile("(?m)^" + what + ", ordered by console says alice$").MatchString(text) {
			t.Errorf("%s: not on record with who ordered it:\n%s", what, text)
		}
	}
}

// Where the configuration names the same client, it wins, and the status says so.
func TestConfigurationWins(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	h.enrols("phone", "ssh")
	h.configure(spaForInvites + doorSSH + client("phone"))
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Force: true}); err != nil {
		t.Fatal(err)
	}
	h.knows("phone")
	if p := h.daemon.problems.Get("enrolled"); !strings.Contains(p, `the enrolled client "phone" cannot knock`) {
		t.Errorf("problem %q", p)
	}
	h.configure(spaForInvites + doorSSH)
	if _, err := h.daemon.Reload(t.Context(), control.ReloadRequest{Force: true}); err != nil {
		t.Fatal(err)
	}
	h.knows("phone")
	if p := h.daemon.problems.Get("enrolled"); p != "" {
		t.Errorf("problem %q", p)
	}
}

// Records that nobody can read are left out; nothing fails by them.
func TestBadRecordsFailNothing(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	h.enrols("phone", "ssh")
	h.end()
	folder := filepath.Join(h.dir, "state", enrolled.Dir)
	for name, text := range map[string]string{"truncated": `{"version":`, "huge": strings.Repeat("x", 1<<20), "empty": "", "\x1b[2J": "{}", ".draft": "x"} {
		h.write("state/enrolled/"+name, text)
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(folder, "endless")); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.knows("phone")
	p := h.daemon.problems.Get("enrolled")
	if n := strings.Count(p, "is left out"); n != 5 || !strings.Contains(p, "and 1 more") || strings.Contains(p, "\x1b") {
		t.Errorf("problem %q", p)
	}
	if _, err := h.daemon.Reload(t.Context(), reloadNow); err != nil {
		t.Error(err)
	}
	h.knows("phone")
}

// What cannot be written down enrols nobody, and the same device succeeds later.
func TestEnrolmentThatCannotBeWritten(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	r, key := h.invites("phone", "ssh"), aPublicKey(t)
	folder := filepath.Join(h.dir, "state", enrolled.Dir)
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	h.write("state/enrolled", "in the way")
	h.uses(r, key)
	h.eventually("it is said", func() bool { return strings.Contains(h.status.String(), "keep what is enrolled") })
	h.knows("")
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
	h.uses(r, key)
	h.eventually("it is enrolled", func() bool { return h.clients() == "phone" })
	h.uses(r, aPublicKey(t)) // as a gate would never decide
	h.eventually("it is refused", func() bool { return h.daemon.events.Refused()[event.InviteUsed] == 1 })
	h.knows("phone")
}

func TestInvitesAreBounded(t *testing.T) {
	h := newHouse(t)
	h.configure(spaForInvites + doorSSH)
	h.start()
	for i := range enrolled.MaxOpen {
		h.invites(fmt.Sprintf("c%d", i), "ssh")
	}
	refused := func(q control.InviteRequest, want string) {
		t.Helper()
		q.Key, q.For = aPublicKey(t), control.Duration(time.Hour)
		if _, err := h.daemon.Invite(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	refused(control.InviteRequest{Client: "more", Doors: []string{"ssh"}}, "there may be no more")
	a, err := h.daemon.Remove(t.Context(), control.RemoveRequest{Client: "c7"})
	if err != nil || !a.Invite || a.Client {
		t.Fatalf("%+v, %v", a, err)
	}
	refused(control.InviteRequest{Client: "c8", Doors: []string{"ssh"}}, "there is an open invite")
	refused(control.InviteRequest{Client: "more", Doors: []string{"gone"}}, `no door "gone"`)
	refused(control.InviteRequest{Client: "More", Doors: []string{"ssh"}}, "the name")
	h.invites("more", "ssh")
	if list, bad, err := kept.Of(filepath.Join(h.dir, "state")).Read(); len(list) != enrolled.MaxOpen || bad != nil || err != nil {
		t.Errorf("%d records, %q, %v", len(list), bad, err)
	}
}
