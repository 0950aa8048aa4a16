package journal

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/event"
)

func found(id string, severity event.Severity, n uint64) event.Finding {
	return event.Finding{ID: id, Rule: "scan-fast", Severity: severity, Source: mole, First: noon, Last: noon.Add(time.Duration(n) * time.Second),
		Count: n, Explanation: "someone scans", Advice: "nothing", Evidence: []string{"900 ports in 3s"}}
}

func findings(t *testing.T, path string, all bool) []event.Finding {
	t.Helper()
	list, err := open(t, path).Findings(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func keepFindings(t *testing.T, path string, list ...event.Finding) {
	t.Helper()
	j := begin(t, path, Options{})
	for _, f := range list {
		j.PutFinding(f)
	}
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestFindings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	keepFindings(t, path, found("a", event.Low, 1), found("b", event.High, 1), found("a", event.Low, 2))
	keepFindings(t, path, found("a", event.Low, 9))
	want := []event.Finding{found("b", event.High, 1), found("a", event.Low, 9)}
	if diff := cmp.Diff(want, findings(t, path, false), sameTime, addrs); diff != "" {
		t.Errorf("want (-), have (+):\n%s", diff)
	}
}

func TestAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	keepFindings(t, path, found("a", event.Low, 1), found("b", event.Low, 1))
	j := begin(t, path, Options{}) // a daemon that goes on writing
	for id, want := range map[string]bool{"a": true, "c": false, "' OR 1=1 --": false} {
		if _, ok, err := Acknowledge(t.Context(), path, id, "root", time.Now()); err != nil || ok != want {
			t.Errorf("acknowledge %q: %v, %v; want %v", id, ok, err, want)
		}
	}
	j.PutFinding(found("a", event.Low, 5)) // more of the same
	if err := j.stop(); err != nil {
		t.Fatal(err)
	}
	if list := findings(t, path, false); len(list) != 1 || list[0].ID != "b" {
		t.Errorf("not acknowledged: %v, want b alone", list)
	}
	if list := findings(t, path, true); len(list) != 2 {
		t.Errorf("all: %v, want both", list)
	}
	keepFindings(t, path, found("a", event.Critical, 6)) // something else than what was acknowledged
	if list := findings(t, path, false); len(list) != 2 || list[0].Acknowledged {
		t.Errorf("a finding that became critical stays hidden: %v", list)
	}
}

// Who saw a finding first, and when, stays on record; a finding that has become
// more severe is to be seen again.
func TestWhoAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	keepFindings(t, path, found("a", event.Low, 1))
	first, later := time.UnixMicro(1_700_000_000_000_000), time.UnixMicro(1_700_000_100_000_000)
	saw := func(user string, at time.Time, want string, when time.Time) {
		t.Helper()
		f, ok, err := Acknowledge(t.Context(), path, "a", user, at)
		if err != nil || !ok || f.By != want || !f.At.Equal(when) {
			t.Errorf("by %q at %s (%v, %v), want %q at %s", f.By, f.At, ok, err, want, when)
		}
	}
	saw("alice", first, "alice", first)
	saw("bob", later, "alice", first)
	keepFindings(t, path, found("a", event.High, 2))
	if f := findings(t, path, true)[0]; f.By != "" || !f.At.IsZero() {
		t.Errorf("what has become worse counts as seen by %q", f.By)
	}
	saw("bob", later, "bob", later)
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var left int
	if err := errors.Join(f.shrinkFindings(t.Context(), 0), f.db.QueryRow("SELECT count(*) FROM acknowledgements").Scan(&left)); err != nil || left != 0 {
		t.Errorf("%d acknowledgements outlive their findings: %v", left, err)
	}
}

// A journal of an earlier version does not have who has acknowledged what.
func TestAcknowledgedInAnEarlierJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	keepFindings(t, path, found("a", event.Low, 1))
	f, err := openFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.db.Exec("DROP TRIGGER findings_gone; DROP TABLE acknowledgements; UPDATE findings SET acknowledged = 1")
	if err := errors.Join(err, f.close()); err != nil {
		t.Fatal(err)
	}
	if list := findings(t, path, true); len(list) != 1 || !list[0].Acknowledged || list[0].By != "" {
		t.Errorf("%+v", list)
	}
	if f, ok, err := Acknowledge(t.Context(), path, "a", "bob", time.Now()); err != nil || !ok || f.By != "" {
		t.Errorf("%+v, %v, %v: seen before, by nobody knows whom", f, ok, err)
	}
}

func TestHostileFinding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	f := found("x", "no such severity", 1)
	f.Explanation = "\x1b[31m'; DROP TABLE findings; --\xff"
	for range 1000 {
		f.Evidence = append(f.Evidence, strings.Repeat("e", 1<<16))
	}
	keepFindings(t, path, f)
	list := findings(t, path, true)
	if len(list) != 1 || len(list[0].Evidence) != maxEvidence || len(list[0].Evidence[1]) > maxDetail {
		t.Errorf("kept %d findings, %d pieces of evidence", len(list), len(list[0].Evidence))
	}
}

func TestNoJournalToAcknowledgeIn(t *testing.T) {
	if _, _, err := Acknowledge(t.Context(), filepath.Join(t.TempDir(), "none.db"), "a", "root", time.Now()); err == nil {
		t.Error("no error without a journal")
	}
}
