package journal

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// nth returns one of many addresses.
func nth(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(i))
	return netip.AddrFrom4(b)
}

// A flood does not wash out what the authorised have done, and the file keeps
// to its size.
func TestFloodWashesOutNoGrant(t *testing.T) {
	const size = 1 << 20
	j := begin(t, t.TempDir()+"/journal.db", Options{MaxSize: size, Interval: time.Millisecond, Chain: true})
	for i := range 50 {
		j.Put(granted(noon, "alice"))
		for k := range 400 {
			e := broken(noon, nth(i*400+k))
			e.Detail = strings.Repeat("junk ", 40)
			j.Put(e)
		}
		eventually(t, "the queue is taken", func() bool { return j.Stats().Queued == 0 })
	}
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	prune(t, j)
	info, err := os.Stat(j.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > size {
		t.Errorf("the file has %d bytes, more than %d", info.Size(), size)
	}
	if n := len(read(t, j.path, Query{Client: "alice"})); n != 50 {
		t.Errorf("%d grants are left, want all 50", n)
	}
	if n := len(read(t, j.path, Query{Kinds: []event.Kind{event.KindRefusal}})); n == 0 || n > 20_000 {
		t.Errorf("%d refusals are left", n)
	}
	if v, err := open(t, j.path).Verify(t.Context()); err != nil || len(v.Faults) > 0 {
		t.Errorf("%v, %v", v.Faults, err)
	}
}

// prune looks at size and age now, as Run does every minute.
func prune(t *testing.T, j running) {
	t.Helper()
	f, err := openFile(t.Context(), j.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.shrink(t.Context(), j.options.Load().MaxSize); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

func TestSums(t *testing.T) {
	s := newSummer()
	now := noon
	prompt := 0
	for i := range 1000 {
		if s.add(now, broken(noon.Add(time.Duration(i)*time.Millisecond), mole)) {
			prompt++
		}
	}
	long := broken(noon.Add(time.Second), mole)
	long.Right, long.Of, long.Detail = 9, 10, "9 of 10"
	s.add(now, long)
	s.add(now, broken(noon.Add(2*time.Second), mole))
	list := s.take()
	if prompt != 1 || len(list) != 1 {
		t.Fatalf("%d rows at once and %d sums, want 1 and 1", prompt, len(list))
	}
	e := list[0]
	if e.Count.Packets != 1001 || e.Right != 9 || e.Detail != "1001 more; 9 of 10" || !e.Time.Equal(noon.Add(2*time.Second)) {
		t.Errorf("the sum is %+v", e)
	}
	if len(s.take()) != 0 {
		t.Error("sums are taken twice")
	}
}

// Ten million sources take a bounded place, nothing is left uncounted, and one
// kind of junk leaves room for refusals of another reason.
func TestSumsAreBounded(t *testing.T) {
	s := newSummer()
	const flood = 300_000
	at := noon
	for i := range flood {
		s.add(at, event.Event{Time: at, Kind: event.KindRefusal, Source: nth(i), Reason: event.BadTag})
	}
	s.add(at, broken(at, alice))
	list := s.take()
	var n uint64
	honest := false
	for _, e := range list {
		if e.Reason == event.BadTag {
			n += e.Count.Packets
		}
		honest = honest || e.Source == alice
	}
	if len(list) > sourcesPerReason+10 {
		t.Errorf("%d rows for one interval", len(list))
	}
	if n != flood-promptBurst {
		t.Errorf("counted %d, want %d", n, flood-promptBurst)
	}
	if !honest {
		t.Error("a flood of one reason has hidden a refusal of another")
	}
}

// The lag is that of the disk, not of the interval over which is summed up.
func TestLag(t *testing.T) {
	j := begin(t, t.TempDir()+"/journal.db", Options{Interval: 300 * time.Millisecond})
	for range 10 {
		j.Put(broken(noon, mole))
	}
	eventually(t, "the sum is written", func() bool { return j.Stats().Written == 2 })
	j.Put(granted(noon, "alice"))
	eventually(t, "the grant is written", func() bool { return j.Stats().Written == 3 })
	if lag := j.Stats().Lag; lag <= 0 || lag > 250*time.Millisecond {
		t.Errorf("the lag is %s", lag)
	}
}

// All sums of an interval are written, also where they are many batches.
func TestManySums(t *testing.T) {
	j := begin(t, t.TempDir()+"/journal.db", Options{Interval: time.Hour})
	const sources, reasons = 500, 24
	for i := range sources * reasons {
		for len(j.queue) > queueSize/2-10 {
			time.Sleep(time.Millisecond)
		}
		j.Put(event.Event{Time: noon, Kind: event.KindRefusal, Source: nth(i % sources), Reason: event.Reason(string(rune('a' + i/sources)))})
	}
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, j.path, Query{})); n != sources*reasons || j.Stats().Lost > 0 {
		t.Errorf("%d rows, %+v; want %d", n, j.Stats(), sources*reasons)
	}
}

// While nothing can be written, hostile rows leave room for the others.
func TestHostileRowsLeaveRoom(t *testing.T) {
	j := New(filepath.Join(t.TempDir(), "journal.db"), Options{}, slog.New(slog.DiscardHandler))
	w := &writer{Journal: j, sums: newSummer(), findings: make(map[string]item)}
	for i := range 2 * maxPending {
		w.append(broken(noon, nth(i)))
	}
	for range maxPending / 2 {
		w.append(granted(noon, "alice"))
	}
	grants := 0
	for _, r := range w.rows {
		if r.class == classOwn {
			grants++
		}
	}
	if grants != maxPending/2 || len(w.rows) > maxPending {
		t.Errorf("%d grants among %d rows that wait", grants, len(w.rows))
	}
}
