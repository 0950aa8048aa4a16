//go:build linux

package drill

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// No second has more packets than are allowed, and no drill.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		sent, began := 0, time.Now()
		for i := range 500 {
			n := []int{costSYN, costConnection, costDatagram}[i%3]
			if err := p.take(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if most := costConnection + int(time.Since(began).Seconds()*maxPace); sent > most {
				t.Fatalf("%d packets after %s", sent, time.Since(began))
			}
			sent += n
		}
		time.Sleep(time.Hour) // a pause earns no burst
		began = time.Now()
		for range 10 {
			if err := p.take(t.Context(), costConnection); err != nil {
				t.Fatal(err)
			}
		}
		if since := time.Since(began); since < 9*costConnection*time.Second/maxPace {
			t.Errorf("a burst within %s", since)
		}
		p.sent = maxSent - 1
		if err := p.take(t.Context(), costSYN); !errors.Is(err, errSpent) {
			t.Errorf("more than all: %v", err)
		}
	})
}

// Findings belong to an attack by the gate's clock, whatever the attacker's says.
func TestGradesFromElsewhere(t *testing.T) {
	gate := time.Date(2030, 1, 2, 3, 0, 0, 0, time.UTC)
	attacker := netip.MustParseAddr("198.51.100.2")
	for _, c := range []struct {
		name   string
		ahead  time.Duration // the gate's clock
		change func(*Seen, *Act)
		want   Verdict
	}{
		{"as it should be", 0, func(*Seen, *Act) {}, Held},
		{"a clock of yesterday", 24 * time.Hour, func(*Seen, *Act) {}, Held},
		{"a clock of tomorrow", -24 * time.Hour, func(*Seen, *Act) {}, Held},
		{"a finding that is not marked", 0, func(s *Seen, _ *Act) { s.Findings[0].Evidence = nil }, Failed},
		{"of another consent", 0, func(s *Seen, _ *Act) { s.Findings[0].Evidence = []string{"drill 22"} }, Failed},
		{"of before", 0, func(s *Seen, _ *Act) { s.Findings[0].Last = gate }, Failed},
		{"a door opened", 0, func(_ *Seen, a *Act) { a.Opened = packet.MustPorts("tcp/22") }, Failed},
		{"nothing was heard", 0, func(s *Seen, _ *Act) { s.Consent.First = time.Time{} }, Broken},
		{"after the consent", 0, func(s *Seen, _ *Act) { s.Consent.Until = gate.Add(61 * time.Second) }, Broken},
		{"other traffic, and clocks that agree", 0, func(s *Seen, _ *Act) { s.Consent.First = gate.Add(time.Second) }, Held},
		{"other traffic, and clocks that do not", time.Hour, func(s *Seen, _ *Act) { s.Consent.First = gate.Add(time.Second) }, Broken},
		{"it could not be carried out", 0, func(_ *Seen, a *Act) { a.Broken = "no route" }, Broken},
	} {
		began, ended := gate.Add(time.Minute), gate.Add(70*time.Second)
		act := Act{ID: "scan-ordered", Began: began.Add(-c.ahead), Ended: ended.Add(-c.ahead)}
		seen := Seen{
			Consent:  control.ConsentedAnswer{ID: "11", Given: gate, Until: gate.Add(time.Hour), Now: gate.Add(2 * time.Minute), First: began, Last: ended, Detect: true},
			Findings: []event.Finding{{Rule: "scan-fast", Source: attacker, First: began.Add(time.Second), Last: ended, Evidence: []string{"drill 11"}}},
		}
		c.change(&seen, &act)
		r := seen.Grade(Record{Began: act.Began, Ended: act.Ended, Acts: []Act{act}}, "")
		if got := r.Results[0]; got.Verdict != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// What the gate cannot show is left out, and not graded.
func TestDecoysAreLeftOutWhereNobodyIsBanned(t *testing.T) {
	decoys := packet.MustPorts("tcp/23", "tcp/2323")
	attacks := FromElsewhere()
	a := attacks[len(attacks)-1]
	for want, token := range map[string]consent.Token{"": {Decoys: decoys, Tries: 2}, sayNoDecoys: {Decoys: decoys, Tries: 3}, saySpared: {Decoys: decoys, Tries: 1, Spared: true}} {
		if got := a.lacks(token); got != want {
			t.Errorf("%s: %q, want %q", a.ID, got, want)
		}
	}
}
