//go:build linux

package daemon

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/gate"
	"sallyport/internal/replay"
	"sallyport/internal/spent"
)

// newAddress is a fleet of two gates that have one address.
func newAddress(t *testing.T) (f *gates, a, b *house) {
	f = newFleet(t, "tokyo", "osaka")
	for _, name := range []string{"tokyo", "osaka"} {
		f.gates[name].configure("[gate]\nname = \"" + name + "\"\n[fleet]\nendpoints = [\"127.0.0.1:2379\"]\naddress = \"front\"\n" + spaOn + doorSSH)
	}
	f.add(roll.ClientAdd{Client: rolltest.Client(t, "alice")})
	f.start()
	a, b = f.gates["tokyo"], f.gates["osaka"]
	for _, h := range []*house{a, b} {
		h.eventually("alice is known", func() bool { return h.client("alice") })
	}
	return f, a, b
}

// spends has a gate decide that a message, or a step, gets a client in.
func (h *house) spends(nonce byte, step int64, bound bool) {
	source := netip.AddrFrom4([4]byte{192, 0, 2, nonce})
	d := gate.Decision{Kind: event.KindGrant, Reason: event.BySPA, Source: source, Client: "alice", Authenticated: true, Bound: bound, Message: event.Message{nonce},
		Grants: []event.Grant{{Door: "ssh", Source: source, Client: "alice", Until: time.Now().Add(20 * time.Second), Proof: h.proof("alice")}}}
	if step != 0 {
		r := spent.Step("alice", "ssh", step)
		d.Record.Sequence = &r
	} else {
		r := h.message(nonce)
		d.Record.Message = &r
	}
	h.daemon.actor.Decided(time.Now(), d)
}

// message is the record of a message in this gate's guard.
func (h *house) message(nonce byte) replay.Record {
	h.t.Helper()
	guard := h.daemon.messages.Load().Gate(h.daemon.keys).Guard
	r, v := guard.Admit(replay.Message{Client: [6]byte{1}, R: [8]byte{nonce}, Stamped: time.Now(), Source: netip.AddrFrom4([4]byte{192, 0, 2, nonce})}, time.Now())
	if v != replay.Fresh {
		h.t.Fatal(v)
	}
	return r
}

func (h *house) has(nonce byte) bool {
	h.kernel.mu.Lock()
	defer h.kernel.mu.Unlock()
	_, has := h.kernel.grants["ssh "+netip.AddrFrom4([4]byte{192, 0, 2, nonce}).String()]
	return has
}

// settled waits until both gates have decided.
func settled(a, b *house, nonce byte, refused uint64) (opened int) {
	a.eventually("both gates have decided", func() bool {
		opened = 0
		for _, h := range []*house{a, b} {
			if h.has(nonce) {
				opened++
			}
		}
		return uint64(opened)+a.refusals()+b.refusals() >= refused+2
	})
	return opened
}

// One message, at two gates of one address at the same moment, opens at one of them.
func TestOneAddress(t *testing.T) {
	f, a, b := newAddress(t)
	for nonce := byte(1); nonce <= 20; nonce++ {
		before := a.refusals() + b.refusals()
		var both sync.WaitGroup
		for _, h := range []*house{a, b} {
			both.Go(func() { h.spends(nonce, 0, false) })
		}
		both.Wait()
		if n := settled(a, b, nonce, before); n != 1 {
			t.Fatalf("message %d opens at %d gates", nonce, n)
		}
	}
	page, err := f.store.Read(t.Context(), store.Query{Prefix: record.AddressPrefix + "front/message/"})
	if err != nil || len(page.Records) != 20 {
		t.Errorf("%d messages are written down, %v", len(page.Records), err)
	}
}

// A step works once, and no older one after it, at whichever gate.
func TestStepsOfOneAddress(t *testing.T) {
	_, a, b := newAddress(t)
	a.spends(1, 100, false)
	a.eventually("the first", func() bool { return a.has(1) })
	for nonce, step := range map[byte]int64{2: 100, 3: 99} {
		before := b.refusals()
		b.spends(nonce, step, false)
		b.eventually("it is refused", func() bool { return b.refusals() > before })
		if b.has(nonce) {
			t.Errorf("step %d opens", step)
		}
	}
	b.spends(4, 101, false)
	b.eventually("a later one", func() bool { return b.has(4) })
}

// Without etcd nothing opens that could open elsewhere, too: a message that names its
// address could not.
func TestOneAddressWithoutEtcd(t *testing.T) {
	f, a, _ := newAddress(t)
	f.store.Fail(store.ErrUnreachable)
	a.spends(1, 0, false)
	a.eventually("it is refused", func() bool { return a.daemon.events.Refused()[event.NoRecord] == 1 })
	a.spends(2, 0, true)
	a.eventually("one that names its address opens", func() bool { return a.has(2) })
	if a.has(1) {
		t.Error("it opens")
	}
}

// A store that was put back may have forgotten what was used: what is older than that is
// refused.
func TestOneAddressOfAPutBackStore(t *testing.T) {
	f, a, _ := newAddress(t)
	f.store.Restore(f.store.Snapshot())
	a.eventually("it is noticed", func() bool { return strings.Contains(a.status.String(), "another cluster") })
	a.spends(1, 0, false)
	a.eventually("it is refused", func() bool { return a.daemon.events.Refused()[event.NoRecord] == 1 })
	if a.has(1) {
		t.Error("it opens")
	}
}

// What is known to one gate alone opens nothing at an address of several.
func TestOneTimeSequencesHaveOneGate(t *testing.T) {
	_, a, _ := newAddress(t)
	r := spent.Sequence("ssh", nil)
	source := netip.MustParseAddr("192.0.2.9")
	a.daemon.actor.Decided(time.Now(), gate.Decision{Kind: event.KindGrant, Reason: event.ByOneTime, Source: source, Record: gate.Record{Sequence: &r},
		Grants: []event.Grant{{Door: "ssh", Source: source, Until: time.Now().Add(20 * time.Second)}}})
	a.eventually("it is refused", func() bool { return a.daemon.events.Refused()[event.NoRecord] == 1 })
	if a.has(9) {
		t.Error("it opens")
	}
}
