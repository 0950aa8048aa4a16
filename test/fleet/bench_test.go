//go:build linux

package fleet

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/fleet/roll"
)

// BenchmarkRevocation measures how long after the operator's entry is in etcd, which is
// when the command returns, the sessions of a client are cut at the last real gate, and
// her grant has ended at the last simulated one; and how long she takes to be in force at
// all when she is let in again.
//
//	SALLYPORT_REQUIRE=netns,peers go test -run '^$' -bench Revocation -benchtime 100x -timeout 1h ./test/fleet
func BenchmarkRevocation(b *testing.B) {
	for _, n := range []struct{ real, simulated int }{{3, 0}, {10, 0}, {3, 97}, {3, 997}} {
		b.Run(fmt.Sprintf("%d+%d", n.real, n.simulated), func(b *testing.B) { measure(b, n.real, n.simulated) })
	}
}

func measure(b *testing.B, real, simulated int) {
	names := make([]string, real)
	for i := range names {
		names[i] = fmt.Sprintf("real-%d", i)
	}
	w := newWorld(b, "24h", names...)
	gates := w.simulate(simulated)
	for _, g := range gates {
		w.Eventually("alice is known at all gates", func() bool { return g.knows.Load() > 0 })
	}
	var cut, ended, back []time.Duration
	for b.Loop() {
		var sessions []*heartbeat
		for _, g := range w.gates {
			g.opens()
			sessions = append(sessions, newHeartbeat(g.session()))
		}
		earlier := time.Now()
		w.sign(roll.Revoke{Name: "alice"})
		began := time.Now()
		ended = append(ended, since(b, earlier, began, len(gates), func(i int) int64 { return gates[i].ended.Load() })...)
		for _, s := range sessions {
			cut = append(cut, s.diesAfter(began))
		}
		earlier = time.Now()
		w.sign(roll.Unrevoke{Name: "alice"})
		began = time.Now()
		back = append(back, since(b, earlier, began, len(gates), func(i int) int64 { return gates[i].knows.Load() })...)
		for _, g := range w.gates {
			g.follows()
		}
	}
	report(b, "cut", cut)
	report(b, "ended", ended)
	report(b, "let-in", back)
}

func report(b *testing.B, what string, list []time.Duration) {
	if len(list) == 0 {
		return
	}
	slices.Sort(list)
	ms := func(i int) float64 { return float64(list[i]) / float64(time.Millisecond) }
	b.ReportMetric(ms(len(list)/2), what+"-p50-ms")
	b.ReportMetric(ms(len(list)*99/100), what+"-p99-ms")
	b.ReportMetric(ms(len(list)-1), what+"-worst-ms")
}

// heartbeat sends a byte every two milliseconds through a session, and notes when the
// last one came back.
type heartbeat struct {
	conn net.Conn
	last atomic.Int64
	wg   sync.WaitGroup
}

func newHeartbeat(conn net.Conn) *heartbeat {
	h := &heartbeat{conn: conn}
	_ = conn.SetDeadline(time.Time{})
	h.last.Store(time.Now().UnixNano())
	h.wg.Go(func() {
		for {
			if _, err := conn.Write([]byte{1}); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	h.wg.Go(func() {
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(conn, one); err != nil {
				return
			}
			h.last.Store(time.Now().UnixNano())
		}
	})
	return h
}

// diesAfter waits until nothing has come back for a while, and returns for how long after
// a moment something did.
func (h *heartbeat) diesAfter(began time.Time) time.Duration {
	for time.Since(time.Unix(0, h.last.Load())) < 500*time.Millisecond {
		time.Sleep(10 * time.Millisecond)
	}
	_ = h.conn.Close()
	h.wg.Wait()
	return max(time.Duration(h.last.Load()-began.UnixNano()), 0)
}
