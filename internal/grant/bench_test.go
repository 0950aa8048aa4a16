package grant

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/event"
)

// nothing is a firewall that takes no time.
type nothing struct{}

func (nothing) Grant(event.Grant, time.Time) error         { return nil }
func (nothing) Renew(event.Grant, time.Time) (bool, error) { return true, nil }
func (nothing) Revoke(event.Grant) error                   { return nil }

// What the book adds to the time until a door opens.
func BenchmarkOpen(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("kept=%t", kept), func(b *testing.B) {
			var r *Register
			if kept {
				r = OpenRegister(filepath.Join(b.TempDir(), RegisterName), "boot", func() time.Duration { return 0 }, start)
				defer r.Close()
			}
			book := New(nothing{}, r)
			now := start
			b.ReportAllocs()
			for i := range b.N {
				now = now.Add(time.Millisecond)
				g := event.Grant{Door: "ssh", Client: "alice", Source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Until: now.Add(time.Second)}
				if _, err := book.Open(g, now); err != nil {
					b.Fatal(err)
				}
				book.Expire(now)
			}
		})
	}
}
