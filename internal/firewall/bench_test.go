//go:build linux

package firewall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

// manyDoors returns a configuration with n doors: of one TCP port each, or of
// the TCP and the UDP port of that number.
func manyDoors(n int, several bool) *config.Config {
	var doors []config.Door
	for i := range n {
		d := config.Door{Name: fmt.Sprintf("door-%d", i), Ports: []packet.Port{{Proto: packet.TCP, Number: uint16(1000 + i)}}}
		if several {
			d.Ports = append(d.Ports, packet.Port{Proto: packet.UDP, Number: uint16(1000 + i)})
		}
		doors = append(doors, d)
	}
	return guarding(doors...)
}

// manyGrants returns grants of n sources for the first door.
func manyGrants(n int, until time.Time) []event.Grant {
	grants := make([]event.Grant, n)
	for i := range grants {
		grants[i] = event.Grant{Door: "door-0", Client: "alice", Source: source(i), Until: until}
	}
	return grants
}

func source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+uint32(i))))
}

func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		doors   int
		several bool
		grants  int
	}{{1, false, 0}, {1000, false, 0}, {10000, false, 0}, {1000, true, 0}, {10000, true, 0}, {1, false, 100_000}} {
		b.Run(fmt.Sprintf("doors=%d/several=%t/grants=%d", c.doors, c.several, c.grants), func(b *testing.B) {
			w := newWorld(b, lab.Options{})
			cfg := manyDoors(c.doors, c.several)
			start := time.Now()
			w.apply(cfg)
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "first-ms")
			w.do(func() error { return w.f.GrantAll(manyGrants(c.grants, time.Now().Add(time.Hour)), time.Now()) })
			for b.Loop() {
				w.apply(cfg)
			}
		})
	}
}

func BenchmarkGrant(b *testing.B) {
	for _, c := range []struct{ doors, grants int }{{1, 0}, {10000, 0}, {1, 100000}} {
		w := newWorld(b, lab.Options{})
		w.apply(manyDoors(c.doors, false))
		until := time.Now().Add(time.Hour)
		w.do(func() error { return w.f.GrantAll(manyGrants(c.grants, until), time.Now()) })
		name := fmt.Sprintf("doors=%d/grants=%d", c.doors, c.grants)
		i := 0
		for _, kind := range []string{"new", "again"} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if kind == "new" {
						i++
					}
					if err := w.f.Grant(event.Grant{Door: "door-0", Client: "bob", Source: source(1<<20 + i), Until: until}, time.Now()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkGrants(b *testing.B) {
	w := newWorld(b, lab.Options{})
	w.apply(manyDoors(1, false))
	const n = 100000
	w.do(func() error { return w.f.GrantAll(manyGrants(n, time.Now().Add(time.Hour)), time.Now()) })
	for b.Loop() {
		if got := len(w.grants()); got != n {
			b.Fatalf("%d grants, want %d", got, n)
		}
	}
}
