package sequence

import "testing"

// The ports are counted as each of them is judged.
func TestPortsAreCounted(t *testing.T) {
	for _, s := range []Shape{{First: 1, Last: 65535}, {First: 1024, Last: 32767}, {First: 1719, Last: 1723}, {First: 1720, Last: 1720}, {First: 5, Last: 900}, {First: 6000, Last: 6697}, {First: 9, Last: 3}} {
		want := 0
		for p := int(s.First); p <= int(s.Last); p++ {
			if !Refused(uint16(p)) {
				want++
			}
		}
		if n := s.ports(); n != want {
			t.Errorf("%d-%d: %d ports, want %d", s.First, s.Last, n, want)
		}
	}
}
