//go:build linux

package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
)

var mole = netip.MustParseAddr("203.0.113.7")

// Banned for the fleet at one gate, a source is kept out at all; lifted at another, it is
// kept out at none.
func TestFleetBans(t *testing.T) {
	f := newFleet(t, "tokyo", "osaka", "kyoto")
	f.start()
	for name, h := range f.gates {
		h.eventually("the roll is in force at "+name, func() bool { s := h.daemon.fleet.Status(); return s.Gates == 3 })
	}
	banned := func(h *house) bool { return h.daemon.bans.Has(mole, time.Now()) }
	if banned(f.gates["kyoto"]) {
		t.Fatal("banned before")
	}
	if _, err := f.gates["tokyo"].daemon.Ban(asRoot(t), control.BanRequest{Source: mole, Fleet: true}); err != nil {
		t.Fatal(err)
	}
	for name, h := range f.gates {
		h.eventually("banned at "+name, func() bool { return banned(h) })
	}
	if _, err := f.gates["osaka"].daemon.Unban(asRoot(t), control.UnbanRequest{Source: mole, Fleet: true}); err != nil {
		t.Fatal(err)
	}
	for name, h := range f.gates {
		h.eventually("banned no more at "+name, func() bool { return !banned(h) })
	}
	osaka := f.gates["osaka"]
	for text, q := range map[string]control.BanRequest{
		"for 24h at most": {Source: mole, For: control.Duration(25 * time.Hour), Fleet: true},
		"gate ":           {Source: netip.MustParseAddr("192.0.2.1"), Fleet: true}, // where all gates are, by the roll
	} {
		if _, err := osaka.daemon.Ban(asRoot(t), q); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := osaka.daemon.Unban(asRoot(t), control.UnbanRequest{Source: mole, Fleet: true}); err == nil {
		t.Error("what is not banned is lifted")
	}
	f.store.Fail(store.ErrUnreachable)
	if _, err := osaka.daemon.Ban(asRoot(t), control.BanRequest{Source: mole, Fleet: true}); err == nil || !strings.Contains(err.Error(), "it holds here") || !banned(osaka) {
		t.Errorf("without etcd: %v, banned is %v", err, banned(osaka))
	}
}

// says has a gate that has been taken over write what it likes.
func (f *gates) says(name, key string, r record.Record) {
	f.t.Helper()
	private, err := kept.Of(f.gates[name].dir + "/state").Key()
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.store.Commit(f.t.Context(), nil, []store.Write{{Key: key, Value: record.Sign(private, f.State.Fleet, key, r)}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *gates) bans(name, source string, at time.Time, length time.Duration) {
	f.t.Helper()
	at = at.UTC().Truncate(time.Millisecond)
	b := record.Ban{Source: netip.MustParsePrefix(source), At: at, Until: at.Add(length)}
	f.says(name, record.BannedKey(name, b), b)
}

// A gate that has been taken over bans nobody whom others spare, and nobody for longer or
// wider than a gate may; taken out of the roll, it bans nobody any more.
func TestBansOfATakenOverGate(t *testing.T) {
	f := newFleet(t, "tokyo", "osaka")
	c := rolltest.Client(t, "alice")
	c.Key = roll.KeyText(f.Operator.PublicKey())
	f.add(roll.ClientAdd{Client: c})
	osaka := f.gates["osaka"]
	osaka.configure("[gate]\nname = \"osaka\"\ntrusted = [\"198.51.100.0/24\"]\n[fleet]\nendpoints = [\"127.0.0.1:2379\"]\n" + spaOn + doorSSH)
	osaka.start()
	osaka.eventually("alice, an operator, is known", func() bool { return osaka.client("alice") })
	if !osaka.gets("alice", "ssh") { // from 192.0.2.77
		t.Fatal("alice does not get in")
	}
	now := time.Now()
	for i, source := range []string{"198.51.100.7/32", "192.0.2.77/32", "192.0.2.1/32", "127.0.0.1/32", "0.0.0.0/0", "192.0.2.0/24", "2001:db8::/32"} {
		f.bans("tokyo", source, now.Add(-time.Duration(i+1)*time.Second), time.Hour)
	}
	f.bans("tokyo", "203.0.113.8/32", now.Add(-20*time.Second), 25*time.Hour)
	f.bans("tokyo", mole.String()+"/32", now, time.Hour)
	osaka.eventually("a stranger is banned", func() bool { return osaka.daemon.bans.Has(mole, now) })
	if n := osaka.daemon.bans.Count(now); n != 1 {
		list, _ := osaka.daemon.Bans(t.Context())
		t.Errorf("%d are banned: %v", n, list)
	}
	if text := osaka.daemon.problems.Get("fleet bad"); !strings.Contains(text, "gate tokyo bans") {
		t.Errorf("problem: %q", text)
	}
	f.add(roll.GateRemove{Name: "tokyo"})
	osaka.eventually("its bans have ended", func() bool { return osaka.daemon.bans.Count(time.Now()) == 0 })
}
