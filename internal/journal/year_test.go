package journal

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// A year of whatever strangers can have written, in a small journal: what was
// granted in all that time is still there, and so is what someone is to look at.
func TestYearOfStrangers(t *testing.T) {
	const size, days = 4 << 20, 365
	path := t.TempDir() + "/journal.db"
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	text := strings.Repeat("what strangers say ", 5)
	for day := range days {
		now := noon.AddDate(0, 0, day)
		rows := []row{newRow(granted(now, "alice")), newRow(granted(now, ""))}
		add := func(n int, e event.Event) {
			for i := range n {
				e.Time, e.Source, e.Detail = now, nth(day*1000+i), text
				rows = append(rows, newRow(e))
			}
		}
		add(50, event.Event{Kind: event.KindRefusal, Reason: event.WrongKnock})
		add(50, event.Event{Kind: event.KindRefusal, Reason: event.OutOfHours, Door: "ssh"})
		add(25, event.Event{Kind: event.KindClock, Client: "alice"})
		add(25, event.Event{Kind: event.KindLogin, Bound: true})
		add(25, event.Event{Kind: event.KindBan, Reason: event.Banned, Bound: true})
		add(25, event.Event{Kind: event.KindFailure})
		add(25, event.Event{Kind: event.KindOverload})
		add(50, event.Event{Kind: event.KindFinding, Finding: &event.Finding{Hostile: true}})
		var raised []item
		for i := range 100 {
			one := found(fmt.Sprintf("%d-%d", day, i), event.Low, 1)
			one.Last = now
			raised = append(raised, item{finding: &one})
		}
		grave := found(fmt.Sprintf("grave-%d", day), event.High, 1)
		if err := f.write(t.Context(), rows, append(raised, item{finding: &grave}), true); err != nil {
			t.Fatal(err)
		}
		if day%30 == 29 || day == days-1 {
			if err := f.shrink(t.Context(), size); err != nil {
				t.Fatal(err)
			}
		}
	}
	if used, err := f.used(t.Context()); err != nil || used > size {
		t.Errorf("the journal takes %d bytes, more than %d (%v)", used, size, err)
	}
	if n := len(read(t, path, Query{Kinds: []event.Kind{event.KindGrant}})); n != 2*days {
		t.Errorf("%d grants are left of %d", n, 2*days)
	}
	list := findings(t, path, true)
	graves := 0
	for _, one := range list {
		if one.Severity == event.High {
			graves++
		}
	}
	if graves != days || len(list) == graves || len(list) > size/findingsShare/150 {
		t.Errorf("%d findings are left, %d of them grave, want all %d and some others", len(list), graves, days)
	}
	if v, err := open(t, path).Verify(t.Context()); err != nil || len(v.Faults) > 0 {
		t.Errorf("%v, %v", v.Faults, err)
	}
}

// Which findings make room: first what is low and new, then what someone has
// seen to, then what is worse; of the same, the oldest.
func TestFindingsMakeRoomInOrder(t *testing.T) {
	path := t.TempDir() + "/journal.db"
	keepFindings(t, path, found("low-old", event.Low, 1), found("low-new", event.Low, 9), found("seen", event.Critical, 1), found("medium", event.Medium, 1), found("high", event.High, 1))
	if _, ok, err := Acknowledge(t.Context(), path, "seen", "root", time.Now()); err != nil || !ok {
		t.Fatal(ok, err)
	}
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var gone []string
	for left := findings(t, path, true); len(left) > 0; left = findings(t, path, true) {
		if err := f.shrinkFindings(t.Context(), int64(len(left))*180); err != nil {
			t.Fatal(err)
		}
		after := findings(t, path, true)
		for _, one := range left {
			kept := false
			for _, other := range after {
				kept = kept || other.ID == one.ID
			}
			if !kept {
				gone = append(gone, one.ID)
			}
		}
		if len(after) == len(left) {
			t.Fatalf("none of %d went", len(left))
		}
	}
	if got := strings.Join(gone, " "); got != "low-old low-new seen medium high" {
		t.Errorf("went in the order %s", got)
	}
}

// What is proved is read back, and rows of an earlier version have nothing of it.
func TestWhatIsProvedIsKept(t *testing.T) {
	for _, e := range []event.Event{{}, {Authenticated: true}, {Bound: true}, {Authenticated: true, Bound: true, Right: 2, Of: 3}} {
		e.Kind, e.Time = event.KindGrant, noon
		r := newRow(e)
		if got := r.event(); got.Authenticated != e.Authenticated || got.Bound != e.Bound || got.Right != e.Right || got.Of != e.Of {
			t.Errorf("%+v was read as %+v", e, got)
		}
	}
	if e := (&row{kind: "refusal", progress: 2<<8 | 3}).event(); e.Authenticated || e.Bound || e.Right != 2 || e.Of != 3 {
		t.Errorf("an earlier row: %+v", e)
	}
}

// A journal of an earlier version, without the class of what strangers provoke,
// goes on.
func TestEarlierJournal(t *testing.T) {
	path := t.TempDir() + "/journal.db"
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.write(t.Context(), []row{newRow(granted(noon, "alice"))}, nil, true); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.Exec("DELETE FROM heads WHERE class = ?", classProvoked); err != nil {
		t.Fatal(err)
	}
	f.close()
	if v, err := open(t, path).Verify(t.Context()); err != nil || len(v.Faults) > 0 || v.Rows != 1 {
		t.Errorf("before it is written: %+v, %v", v, err)
	}
	if f, err = openFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if err := f.write(t.Context(), []row{newRow(event.Event{Kind: event.KindFailure, Time: noon.Add(time.Hour)})}, nil, true); err != nil {
		t.Fatal(err)
	}
	if v, err := open(t, path).Verify(t.Context()); err != nil || len(v.Faults) > 0 || v.Rows != 2 {
		t.Errorf("%+v, %v", v, err)
	}
}

// Old messages of a client, sent again from ever new addresses, are one sum.
func TestClocksAreSummedUpByClient(t *testing.T) {
	s := newSummer()
	prompt := 0
	for i := range 600 {
		if s.add(noon, event.Event{Kind: event.KindClock, Time: noon, Client: "alice", Source: nth(i), Detail: "an hour behind"}) {
			prompt++
		}
	}
	list := s.take()
	if prompt != 1 || len(list) != 1 || list[0].Client != "alice" || list[0].Count.Packets != 599 || list[0].Detail != "599 more; an hour behind" {
		t.Errorf("%d at once, then %+v", prompt, list)
	}
}

// While the disk stands still, a flood leaves room in the queue for grants.
func TestFloodLeavesRoomInTheQueue(t *testing.T) {
	j := New(t.TempDir()+"/journal.db", Options{}, slog.New(slog.DiscardHandler)) // Run has not begun
	for i := range 2 * queueSize {
		j.Put(broken(noon, nth(i)))
		j.Put(event.Event{Kind: event.KindFailure})
	}
	lost := j.Stats().Lost
	for range queueSize / 4 {
		j.Put(granted(noon, ""))
	}
	if got := j.Stats().Lost; got != lost {
		t.Errorf("%d grants of sequences are lost", got-lost)
	}
	for range queueSize { // someone has overheard the sequence
		j.Put(granted(noon, ""))
	}
	lost = j.Stats().Lost
	for range queueSize / 4 {
		j.Put(granted(noon, "alice"))
	}
	if got := j.Stats().Lost; got != lost {
		t.Errorf("%d grants of a client are lost", got-lost)
	}
}

// Anyone who has overheard a sequence has any number of grants, from any sources:
// they push out those of nobody in particular, and none of a client.
func TestOverheardSequenceWashesOutNoClient(t *testing.T) {
	const size = 1 << 20
	path := t.TempDir() + "/journal.db"
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	for range 10 {
		rows := []row{newRow(granted(noon, "alice"))}
		for i := range 2000 {
			e := granted(noon, "")
			e.Source = nth(i)
			rows = append(rows, newRow(e))
		}
		if err := f.write(t.Context(), rows, nil, true); err != nil {
			t.Fatal(err)
		}
		if err := f.shrink(t.Context(), size); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(read(t, path, Query{Client: "alice"})); n != 10 {
		t.Errorf("%d grants of alice are left, want 10", n)
	}
}

// What the journal says about its own gaps is not the first to be given up.
func TestGapsStayTold(t *testing.T) {
	if r := aboutItself(noon, "the disk is full"); r.class != classOwn || r.kind != string(event.KindFailure) {
		t.Errorf("%+v", r)
	}
}
