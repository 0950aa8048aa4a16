package journal

import (
	"net/netip"
	"path/filepath"
	"testing"

	"sallyport/internal/event"
)

// Whatever a query asks for, it is an answer or a plain error, the rows are
// whole afterwards, and nobody sees what he has not asked for.
func FuzzQuery(f *testing.F) {
	path := filepath.Join(f.TempDir(), "journal.db")
	file, err := openFile(f.Context(), path)
	if err != nil {
		f.Fatal(err)
	}
	rows := []row{newRow(granted(noon, "alice")), newRow(granted(noon, "bob")), newRow(broken(noon, mole))}
	if err := file.write(f.Context(), rows, nil, true); err != nil {
		f.Fatal(err)
	}
	if err := file.close(); err != nil {
		f.Fatal(err)
	}
	r, err := OpenReader(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close() })
	f.Add("ssh", "alice", "grant", "spa", []byte{192, 0, 2, 0}, 24, 10)
	f.Add("' OR 1=1 --", `"`, "%", "\x00", []byte{}, 0, -1)
	f.Add("\xff", "a\nb", ";", "?", make([]byte, 16), 128, 0)
	f.Fuzz(func(t *testing.T, door, client, kind, reason string, source []byte, bits, limit int) {
		q := Query{Door: door, Client: client, Limit: limit}
		if kind != "" {
			q.Kinds = []event.Kind{event.Kind(kind)}
		}
		if reason != "" {
			q.Reasons = []event.Reason{event.Reason(reason)}
		}
		if a, ok := netip.AddrFromSlice(source); ok {
			q.Source = netip.PrefixFrom(a, bits)
		}
		for e, err := range r.Events(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if door != "" && e.Door != door || client != "" && e.Client != client || kind != "" && string(e.Kind) != kind || reason != "" && string(e.Reason) != reason ||
				q.Source.IsValid() && !q.Source.Contains(e.Source) && !q.Source.Addr().Is6() {
				t.Errorf("%+v was not asked for with %+v", e, q)
			}
		}
	})
}
