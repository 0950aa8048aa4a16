package client

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// far is a server a round trip away: it answers the knock after one.
type far struct {
	knocker
	single bool
}

const roundTrip = 120 * time.Millisecond

func (far) head() time.Duration { return 5 * time.Millisecond }

func (f far) knock(ctx context.Context, l *leg) (Result, error) {
	l.signal()
	err := sleep(ctx, roundTrip)
	return Result{Took: roundTrip, Grants: []Grant{{Single: f.single}}}, err
}

// Of two attempts the first to connect wins, and the other has ended before it is
// answered.
func TestAttemptsBesideEachOther(t *testing.T) {
	const never = time.Hour
	for name, c := range map[string]struct {
		single      bool
		first       time.Duration // how long the first attempt takes
		attempts    int
		after, wins time.Duration // when the last of them begins and when there is a connection
	}{
		"in time":                {false, roundTrip, 1, 5 * time.Millisecond, 125 * time.Millisecond},
		"a little late":          {false, 121 * time.Millisecond, 1, 5 * time.Millisecond, 126 * time.Millisecond},
		"dropped":                {false, never, 2, 127 * time.Millisecond, 247 * time.Millisecond},
		"late":                   {false, 200 * time.Millisecond, 2, 127 * time.Millisecond, 205 * time.Millisecond},
		"single, a little late":  {true, 140 * time.Millisecond, 1, 5 * time.Millisecond, 145 * time.Millisecond},
		"single, dropped":        {true, never, 2, 155 * time.Millisecond, 275 * time.Millisecond},
		"single, late":           {true, 200 * time.Millisecond, 2, 155 * time.Millisecond, 205 * time.Millisecond},
		"later than the next is": {false, 300 * time.Millisecond, 2, 127 * time.Millisecond, 247 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, attempts, connected, last := time.Now(), 0, 0, time.Duration(0)
				var mu sync.Mutex // attempts are beside each other
				l := &leg{left: make(chan struct{}, 1)}
				l.dial = func(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
					takes := roundTrip
					mu.Lock()
					if attempts++; attempts == 1 {
						takes = c.first
					}
					last = time.Since(start)
					mu.Unlock()
					if err := sleep(ctx, takes); err != nil {
						return nil, err
					}
					mu.Lock()
					connected++
					mu.Unlock()
					conn, other := net.Pipe()
					other.Close()
					return conn, nil
				}
				conn, err := l.run(t.Context(), far{single: c.single})
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
				took := time.Since(start)
				synctest.Wait()
				if attempts != c.attempts || connected != 1 || last != c.after || took != c.wins {
					t.Errorf("%d attempts, the last after %v, %d connections, the first after %v; want %+v", attempts, last, connected, took, c)
				}
			})
		})
	}
}
