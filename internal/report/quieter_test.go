package report

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/event"
)

// What the list of the loudest leaves out is counted.
func TestQuieterAddressesAreCounted(t *testing.T) {
	for _, more := range []int{0, 16} {
		r, a := New(Subject{Since: monday, Until: monday.AddDate(0, 0, 7)}), netip.MustParseAddr("198.51.100.1")
		for range topSources + more {
			r.Add(event.Event{Time: monday, Kind: event.KindRefusal, Source: a, Reason: event.WrongKnock})
			a = a.Next()
		}
		var text, page strings.Builder
		if err := r.Text(&text); err != nil {
			t.Fatal(err)
		}
		if err := r.HTML(&page); err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{text.String(), page.String()} {
			if said := strings.Contains(out, "Not shown: 16 that made less noise."); said != (more > 0) || strings.Contains(out, "Not shown: 0") {
				t.Errorf("%d more: says so: %t\n%s", more, said, out)
			}
		}
	}
}
