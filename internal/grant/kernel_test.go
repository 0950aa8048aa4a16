//go:build linux

package grant

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/firewall"
	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
	"sallyport/internal/packet"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// The real table has for each element the latest end of those who are left, in
// both modes of the kernel.
func TestTheTableHasTheLatestOfTheRest(t *testing.T) {
	for name, opts := range map[string]firewall.Options{"owned": {}, "unowned": {Unowned: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			againstTheTable(t, opts)
		})
	}
}

func againstTheTable(t *testing.T, opts firewall.Options) {
	l := labtest.New(t, lab.Options{})
	cfg := &config.Config{Gate: config.Gate{Policy: config.PolicyDoors, Closed: config.ClosedDrop}, Doors: []config.Door{
		{Name: "ssh", Ports: []packet.Port{{Proto: packet.TCP, Number: 22}, {Proto: packet.UDP, Number: 22}}, Widen4: 24},
	}}
	var f *firewall.Firewall
	err := l.Gate.Do(func() (err error) {
		if f, err = firewall.New(slog.New(slog.DiscardHandler), opts); err == nil {
			err = f.Apply(cfg)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir, began := t.TempDir(), time.Now()
	begin := func() *Book {
		return New(f, OpenRegister(dir+"/"+RegisterName, "boot", func() time.Duration { return time.Since(began) }, time.Now()))
	}
	b := begin()
	defer func() { b.register.Close() }()
	random := rand.New(rand.NewPCG(3, 4))
	model := make(map[key]map[event.Owner]time.Time)
	owners := []event.Owner{{Client: "alice"}, {Client: "bob"}, {}, {Holder: event.Operator}}
	for step := range 80 {
		now, o := time.Now(), owners[random.IntN(len(owners))]
		switch random.IntN(8) {
		case 0:
			if _, err := b.Revoke(event.ByOperator, ownedBy(o), now); err != nil {
				t.Fatal(err)
			}
			for _, m := range model {
				delete(m, o)
			}
		case 1:
			b.register.Close()
			b = begin()
			b.Expect()
			elements, err := f.Grants(now)
			if err == nil {
				_, err = b.Restore(elements, now)
			}
			if err != nil {
				t.Fatal(err)
			}
		default:
			g := event.Grant{Door: "ssh", Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(3))}), Client: o.Client, Holder: o.Holder,
				Until: now.Add(time.Duration(10+random.IntN(1000)) * 10 * time.Second), Single: random.IntN(2) == 0}
			if !g.Single && random.IntN(2) == 0 {
				g.Prefix = 24
			}
			if _, err := b.Open(g, now); err != nil {
				t.Fatal(err)
			}
			if model[keyOf(g)] == nil {
				model[keyOf(g)] = make(map[event.Owner]time.Time)
			}
			if model[keyOf(g)][o].Before(g.Until) {
				model[keyOf(g)][o] = g.Until
			}
		}
		if problem := differs(f, model); problem != "" {
			t.Fatalf("step %d: %s", step, problem)
		}
	}
}

// differs compares the kernel with a model, which is exact to the second.
func differs(f *firewall.Firewall, model map[key]map[event.Owner]time.Time) string {
	elements, err := f.Grants(time.Now())
	if err != nil {
		return err.Error()
	}
	has := make(map[key]time.Time)
	for _, g := range elements {
		has[keyOf(g)] = g.Until
	}
	for k, m := range model {
		var want time.Time
		for _, until := range m {
			if until.After(want) {
				want = until
			}
		}
		// Ends are tens of seconds apart; the kernel counts from when it was told.
		if got := has[k]; got.IsZero() != want.IsZero() || got.Sub(want).Abs() > 5*time.Second {
			return fmt.Sprintf("%v: the kernel has it until %s, want %s", k, got, want)
		}
	}
	return ""
}
