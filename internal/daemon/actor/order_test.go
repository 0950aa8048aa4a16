//go:build linux

package actor

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/daemon/hub"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/grant"
	"sallyport/internal/replay"
	"sallyport/internal/spa"
)

// witness notes in which order things are done.
type witness struct {
	broken
	done   []string
	full   error // what Record answers
	refuse bool  // the firewall takes nothing
}

func (w *witness) Record(gate.Record) error { w.done = append(w.done, "record"); return w.full }

func (w *witness) Grant(g event.Grant, now time.Time) error {
	if w.refuse {
		return w.broken.Grant(g, now)
	}
	w.done = append(w.done, "open "+g.Door)
	return nil
}

func (w *witness) answer(_ *gate.Reply, a spa.Ack) error {
	w.done = append(w.done, map[spa.Status]string{spa.Opened: "opened", spa.Refused: "refused", spa.Closed: "closed"}[a.Status])
	return nil
}

// What a decision uses up is on the disk before anything is opened, and the client
// hears last; a refusal is answered with silence.
func TestRecordOpenReply(t *testing.T) {
	source, until := netip.MustParseAddr("192.0.2.10"), time.Now().Add(time.Minute)
	used, asks := gate.Record{Message: &replay.Record{}}, &gate.Reply{}
	doors := []event.Grant{{Door: "ssh", Source: source, Until: until}, {Door: "web", Source: source, Until: until}}
	for name, c := range map[string]struct {
		decision gate.Decision
		world    witness
		want     []string
	}{
		"a sequence":                 {gate.Decision{Kind: event.KindGrant, Grants: doors}, witness{}, []string{"open ssh", "open web"}},
		"a message":                  {gate.Decision{Kind: event.KindGrant, Grants: doors, Record: used}, witness{}, []string{"record", "open ssh", "open web"}},
		"a message that asks":        {gate.Decision{Kind: event.KindGrant, Grants: doors, Record: used, Reply: asks}, witness{}, []string{"record", "open ssh", "open web", "opened"}},
		"a disk that is full":        {gate.Decision{Kind: event.KindGrant, Grants: doors, Record: used, Reply: asks}, witness{full: errors.New("no space")}, []string{"record"}},
		"a firewall that is broken":  {gate.Decision{Kind: event.KindGrant, Grants: doors, Record: used, Reply: asks}, witness{refuse: true}, []string{"record", "refused"}},
		"what is given back":         {gate.Decision{Kind: event.KindRevocation, Grants: doors, Record: used, Reply: asks}, witness{}, []string{"record", "closed"}},
		"a refusal":                  {gate.Decision{Kind: event.KindRefusal, Reason: event.ForbiddenDoor, Record: used, Reply: asks}, witness{}, []string{"record"}},
		"an intercepted old message": {gate.Decision{Kind: event.KindRefusal, Reason: event.Intercepted}, witness{}, []string{"cut", "withdraw"}},
		"an ask":                     {gate.Decision{Kind: event.KindAsked, Record: used}, witness{}, []string{"record", "ask"}},
		"an ask, and a full disk":    {gate.Decision{Kind: event.KindAsked, Record: used}, witness{full: errors.New("no space")}, []string{"record"}},
	} {
		w := &c.world
		around := alone(w)
		around.Answer = w.answer
		around.Cut = func(func(event.Owner) bool) { w.done = append(w.done, "cut") }
		around.Asked = func(time.Time, gate.Decision) { w.done = append(w.done, "ask") }
		around.Withdraw = func(string, event.Message) { w.done = append(w.done, "withdraw") }
		a := New(grant.New(w, nil), hub.New(), around)
		c.decision.Source = source
		a.Decided(time.Now(), c.decision)
		select {
		case o := <-a.queue:
			a.carryOut(o)
		case o := <-a.anonymous:
			a.carryOut(o)
		}
		if !slices.Equal(w.done, c.want) {
			t.Errorf("%s: %q, want %q", name, w.done, c.want)
		}
	}
}
