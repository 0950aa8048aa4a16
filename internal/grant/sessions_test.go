package grant

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sallyport/internal/conntrack"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

func openSessions(t *testing.T, dir string, now time.Time) *Sessions {
	t.Helper()
	s := OpenSessions(filepath.Join(dir, SessionsName), "boot", func() time.Duration { return now.Sub(start) }, now)
	t.Cleanup(func() { s.Close() })
	return s
}

func flow(id uint32, from uint16) conntrack.Flow {
	return conntrack.Flow{ID: id, Source: alice, From: from, To: netip.MustParseAddr("192.0.2.1"), Port: packet.Port{Proto: packet.TCP, Number: 22}}
}

func nobody(conntrack.Flow) []event.Owner { return nil }

// Whose a connection is outlives its grant, and the process.
func TestSessionsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	s := openSessions(t, dir, start)
	owners := []event.Owner{{Client: "alice", Message: event.Message{1, 2, 3}}, {Holder: event.Operator}}
	s.Begun(flow(1, 1000), owners, start)
	s.Begun(flow(2, 1001), nil, start)
	s.Begun(flow(3, 1002), owners, start)
	s.Ended(flow(3, 1002))
	s = openSessions(t, dir, after(100))
	s.Reread([]conntrack.Flow{flow(1, 1000), flow(2, 1001), flow(4, 1003), flow(9, 1000)}, after(100), nobody, after(100))
	if got, ok := s.Find(flow(1, 1000)); !ok || !slices.Equal(got.Owners, owners) || !got.Began.Equal(start) || !got.Seen {
		t.Errorf("%+v", got)
	}
	if got, ok := s.Find(flow(2, 1001)); !ok || len(got.Owners) != 0 {
		t.Errorf("%+v", got)
	}
	if got, ok := s.Find(flow(9, 1000)); !ok || len(got.Owners) != 0 {
		t.Errorf("another connection with the same addresses and ports: %+v", got)
	}
	if got, ok := s.Find(flow(4, 1003)); !ok || got.Seen {
		t.Errorf("what began while nobody looked: %+v", got)
	}
	if _, ok := s.Find(flow(3, 1002)); ok || !s.Complete() {
		t.Errorf("an ended one is known: %t, complete %t", ok, s.Complete())
	}
}

// What events have missed is found by reading again.
func TestReread(t *testing.T) {
	s := openSessions(t, t.TempDir(), start)
	if s.Complete() {
		t.Error("complete before anything was read")
	}
	s.Begun(flow(1, 1000), nil, after(1))
	s.Reread([]conntrack.Flow{flow(2, 1001)}, after(1), nobody, after(1)) // the first began while the list was made
	if _, ok := s.Find(flow(1, 1000)); !ok {
		t.Error("a connection that has begun since is forgotten")
	}
	hers := func(conntrack.Flow) []event.Owner { return []event.Owner{{Client: "alice"}} }
	s.Reread([]conntrack.Flow{flow(2, 1001), flow(3, 1002)}, after(2), hers, after(2))
	if _, ok := s.Find(flow(1, 1000)); ok {
		t.Error("a connection that is over is known")
	}
	if got, _ := s.Find(flow(2, 1001)); len(got.Owners) != 0 {
		t.Errorf("an older connection has got an owner: %+v", got)
	}
	if got, _ := s.Find(flow(3, 1002)); len(got.Owners) != 1 || !got.Seen {
		t.Errorf("a missed connection: %+v", got)
	}
	s.Lost()
	if s.Complete() {
		t.Error("complete, though some were lost")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := openSessions(t, dir, start)
	s.limit = 100
	s.Reread(nil, start, nobody, start)
	var many []event.Owner
	for i := range 40 {
		many = append(many, event.Owner{Client: fmt.Sprint("client-", i)})
	}
	for i := range 1000 {
		s.Begun(flow(uint32(i), uint16(i)), many, start)
	}
	got, ok := s.Find(flow(0, 0))
	if !ok || len(got.Owners) != maxOwners || !got.Owners[maxOwners-1].Is("client-39") {
		t.Errorf("%+v", got)
	}
	info, err := os.Stat(filepath.Join(dir, SessionsName))
	if err != nil || info.Size() > 101*(1+sessionLen+4) || s.Complete() || len(s.live) != 100 {
		t.Errorf("%d bytes, error %v, complete %t, %d known", info.Size(), err, s.Complete(), len(s.live))
	}
}
