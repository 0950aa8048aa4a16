//go:build linux

package ledger

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/event"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
)

// The book knows who asked for a grant to a prefix; the kernel, what is used up.
func TestInForce(t *testing.T) {
	until := start.Add(time.Minute)
	masked, _ := alice.Prefix(24)
	book := []event.Grant{
		{Door: "ssh", Source: alice, Client: "alice", Until: until, Prefix: 24},
		{Door: "ssh", Source: alice.Next(), Client: "bob", Until: until, Prefix: 24},
		{Door: "web", Source: alice, Until: until, Single: true}, // used
	}
	unknown := event.Grant{Door: "db", Source: alice, Client: "carol", Until: until}
	kernel := []event.Grant{{Door: "ssh", Source: masked.Addr(), Client: "alice", Until: until, Prefix: 24}, unknown}
	everybodys := unknown
	everybodys.Holder = event.Anyone
	if got, want := joined(book, kernel), []event.Grant{book[0], book[1], everybodys}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
