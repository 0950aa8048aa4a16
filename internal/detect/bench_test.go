package detect

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
)

// hostile returns events in all of which the source is another one.
func hostile(n int) event.Event {
	var source [4]byte
	binary.BigEndian.PutUint32(source[:], 0x0b000000+uint32(n))
	e := event.Event{Source: netip.AddrFrom4(source), Time: noon.Add(time.Duration(n) * 3 * time.Microsecond)}
	switch n % 4 {
	case 0, 1:
		e.Kind, e.Count = event.KindContacts, event.Contacts{Packets: 1, Ports: 1, Seen: 1 << (n % 64)}
	case 2:
		e.Kind, e.Reason = event.KindRefusal, event.BadTag
	case 3:
		e.Kind, e.Reason, e.Right, e.Of = event.KindRefusal, event.WrongKnock, 1, 3
	}
	return e
}

func TestHostileEventsAllocateNothing(t *testing.T) {
	d := New(Options{Config: &config.Config{Detect: limits()}}, noon)
	n := 0
	for range 100_000 { // what can be raised has been
		d.Observe(hostile(n))
		n++
	}
	if got := testing.AllocsPerRun(10_000, func() { d.Observe(hostile(n)); n++ }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, ev := range map[string]func(int) event.Event{
		"sources=all-different": hostile,
		"sources=1000":          func(n int) event.Event { e := hostile(n); e.Source = hostile(n % 1000).Source; return e },
	} {
		b.Run(name, func(b *testing.B) {
			d := New(Options{Config: &config.Config{Detect: limits()}}, noon)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				d.Observe(ev(n))
				n++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkTenMillionSources reports how much memory a detector holds after ten
// million sources, each of which was seen once.
func BenchmarkTenMillionSources(b *testing.B) {
	for b.Loop() {
		before := heap()
		d := New(Options{Config: &config.Config{Detect: limits()}}, noon)
		for n := range 10_000_000 {
			d.Observe(hostile(n))
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(d)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
