package journal

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/event"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = netip.MustParseAddr("192.0.2.10")
	mole  = netip.MustParseAddr("2001:db8::bad")

	sameTime = cmpopts.EquateApproxTime(time.Microsecond)
	addrs    = cmpopts.EquateComparable(netip.Addr{})
)

// running is a journal whose Run is under way.
type running struct {
	*Journal
	path string
	stop func() error
}

func begin(t *testing.T, path string, o Options) running {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	j := New(path, o, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stopped := false
	r := running{j, path, func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// write keeps events in a fresh journal, and returns its path.
func write(t *testing.T, o Options, events ...event.Event) string {
	t.Helper()
	j := begin(t, filepath.Join(t.TempDir(), "journal.db"), o)
	for _, e := range events {
		j.Put(e)
	}
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	return j.path
}

func open(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func read(t *testing.T, path string, q Query) []event.Event {
	t.Helper()
	var list []event.Event
	for e, err := range open(t, path).Events(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Event)
	}
	return list
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to this: %s", what)
		}
	}
}

func granted(at time.Time, client string) event.Event {
	return event.Event{Time: at, Kind: event.KindGrant, Door: "ssh", Client: client, Source: alice, Reason: event.BySPA}
}

func broken(at time.Time, source netip.Addr) event.Event {
	return event.Event{Time: at, Kind: event.KindRefusal, Source: source, Reason: event.WrongKnock, Detail: "2 of 3", Right: 2, Of: 3}
}

func TestEverythingComesBackAsItWas(t *testing.T) {
	want := []event.Event{
		{Time: noon, Kind: event.KindStart, Detail: "2 doors closed"},
		granted(noon.Add(time.Second), "alice"),
		broken(noon.Add(2*time.Second), mole),
		{Time: noon.Add(3 * time.Second), Kind: event.KindContacts, Source: mole, Detail: "900 packets",
			Count: event.Contacts{Packets: 900, Ports: 300, First: noon, Last: noon.Add(3 * time.Second)}},
		{Time: noon.Add(4 * time.Second), Kind: event.KindStop},
	}
	got := read(t, write(t, Options{}, want...), Query{})
	if diff := cmp.Diff(want, got, sameTime, addrs); diff != "" {
		t.Errorf("wrote (-), read (+):\n%s", diff)
	}
}

// Whatever an attacker can get into a field is data, nothing else.
func TestHostileStringsAreInert(t *testing.T) {
	long := strings.Repeat("A", 1<<20)
	for _, text := range []string{
		"\x1b[2J\x1b]0;pwned\a", "<script>alert(1)</script>", "'; DROP TABLE events; --", `" OR "1"="1`, "%_\\", "\x00nul\x00",
		"\xff\xfe not text", "line\r\nforged: line", "\u202ereversed", long,
	} {
		e := event.Event{Time: noon, Kind: event.Kind(text), Door: text, Client: text, Source: alice, Reason: event.Reason(text), Detail: text}
		path := write(t, Options{Chain: true}, e, granted(noon, "alice"))
		got := read(t, path, Query{})
		if len(got) != 2 {
			t.Fatalf("%.20q: %d events, want 2", text, len(got))
		}
		if want := cut(text, maxDetail); got[0].Detail != want || len(want) > maxDetail {
			t.Errorf("%.20q came back as %.20q", text, got[0].Detail)
		}
		if got := read(t, path, Query{Client: text}); len(text) < maxWord && strings.ToValidUTF8(text, "") == text && len(got) != 1 {
			t.Errorf("%.20q as a client in a query: %d events, want 1", text, len(got))
		}
		if v, err := open(t, path).Verify(t.Context()); err != nil || len(v.Faults) > 0 {
			t.Errorf("%.20q: %v, %v", text, v.Faults, err)
		}
	}
}

func TestQueries(t *testing.T) {
	neighbour := netip.MustParseAddr("192.0.2.255")
	path := write(t, Options{},
		event.Event{Time: noon, Kind: event.KindStart},
		granted(noon.Add(1*time.Second), "alice"),
		granted(noon.Add(2*time.Second), "bob"),
		broken(noon.Add(3*time.Second), neighbour),
		event.Event{Time: noon.Add(4 * time.Second), Kind: event.KindRefusal, Client: "alice", Door: "db", Source: mole, Reason: event.ForbiddenDoor},
		event.Event{Time: noon.Add(5 * time.Second), Kind: event.KindStop},
	)
	tests := []struct {
		name string
		q    Query
		want string // seconds after noon
	}{
		{"everything", Query{}, "012345"},
		{"since includes", Query{Since: noon.Add(4 * time.Second)}, "45"},
		{"until excludes", Query{Until: noon.Add(2 * time.Second)}, "01"},
		{"one source", Query{Source: netip.PrefixFrom(alice, 32)}, "12"},
		{"a prefix", Query{Source: netip.MustParsePrefix("192.0.2.0/24")}, "123"},
		{"the last half of a prefix", Query{Source: netip.MustParsePrefix("192.0.2.128/25")}, "3"},
		{"IPv6", Query{Source: netip.MustParsePrefix("2001:db8::/32")}, "4"},
		{"all of IPv4 has no IPv6, and no events without source", Query{Source: netip.MustParsePrefix("0.0.0.0/0")}, "123"},
		{"all of IPv6 holds IPv4, as sockets see it", Query{Source: netip.MustParsePrefix("::/0")}, "1234"},
		{"a door", Query{Door: "db"}, "4"},
		{"a client", Query{Client: "alice"}, "14"},
		{"nobody", Query{Client: "mallory"}, ""},
		{"kinds", Query{Kinds: []event.Kind{event.KindStart, event.KindStop}}, "05"},
		{"reasons", Query{Reasons: []event.Reason{event.WrongKnock, event.ForbiddenDoor}}, "34"},
		{"both", Query{Client: "alice", Kinds: []event.Kind{event.KindRefusal}}, "4"},
		{"the newest two, oldest first", Query{Limit: 2}, "45"},
		{"written later", Query{After: 4}, "45"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, e := range read(t, path, tt.q) {
				got += fmt.Sprint(int(e.Time.Sub(noon).Seconds()))
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A reason is found whatever kind of event has it.
func TestReasonsOfEveryKind(t *testing.T) {
	var events []event.Event
	for _, k := range event.Kinds() {
		events = append(events, event.Event{Time: noon, Kind: k, Source: alice, Reason: event.ByOperator})
	}
	path := write(t, Options{}, events...)
	if got := read(t, path, Query{Reasons: []event.Reason{event.ByOperator}}); len(got) != len(events) {
		t.Errorf("%d of %d events with the reason are found", len(got), len(events))
	}
}

func TestPagesJoinWithoutSeam(t *testing.T) {
	var events []event.Event
	for i := range 2*page + 10 { // many of the same time, across the borders of pages
		events = append(events, granted(noon.Add(time.Duration(i/1500)*time.Second), fmt.Sprint(i)))
	}
	got := read(t, write(t, Options{}, events...), Query{})
	if diff := cmp.Diff(events, got, sameTime, addrs); diff != "" {
		t.Errorf("wrote (-), read (+):\n%s", diff)
	}
}

func TestQueueNeverWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := New(path, Options{Now: func() time.Time { return noon }}, slog.New(slog.DiscardHandler))
	for range queueSize + 1000 { // nobody writes yet: none of these may wait
		j.Put(granted(noon, "alice"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	overload := read(t, path, Query{Kinds: []event.Kind{event.KindOverload}})
	if len(overload) != 1 || !strings.Contains(overload[0].Detail, "1000 events") {
		t.Errorf("the loss is told as %v", overload)
	}
	if s := j.Stats(); s.Lost != 1000 {
		t.Errorf("counted %d lost, want 1000", s.Lost)
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	path := write(t, Options{}, granted(noon, "alice"))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600", info.Mode().Perm())
	}
}

func TestReaderSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	junk, newer := filepath.Join(dir, "junk.db"), filepath.Join(dir, "newer.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", address(newer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99; CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.db"): "there is no journal yet",
		junk:                          "it is not a journal",
		newer:                         "newer sallyport",
	} {
		r, err := OpenReader(path)
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
}

// A path is not an address with parameters.
func TestPathsWithSpecialCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?mode=memory&b#c%41.db")
	j := begin(t, path, Options{})
	j.Put(granted(noon, "alice"))
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, path, Query{})); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// What hands events over pays with no garbage, also when the queue is full.
func TestPutAllocatesNothing(t *testing.T) {
	j := New("unused", Options{}, slog.New(slog.DiscardHandler))
	e := granted(noon, "alice")
	if n := testing.AllocsPerRun(2*queueSize, func() { j.Put(e) }); n != 0 {
		t.Errorf("Put allocates %v times", n)
	}
}
