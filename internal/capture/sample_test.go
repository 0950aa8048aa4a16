//go:build linux

package capture

import (
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/lab/labtest"
)

func TestSample(t *testing.T) {
	l := labtest.New(t, lab.Options{})
	for _, c := range []struct{ sample, least, most int }{
		{0, 2000, 2000},
		{1, 2000, 2000},
		{8, 150, 350}, // 250 with a standard deviation of 15
	} {
		var live *Live // the rings hold all that is sent: nobody needs to read
		err := l.Gate.Do(func() (err error) {
			live, err = Open(Options{Filter: Filter{UDP: portsOf(7000), SPAPort: 8000, Sample: c.sample}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range []uint16{7000, 8000} {
			conn, err := l.Client.Dial(t.Context(), "udp", netip.AddrPortFrom(l.Client.Gate4, port).String())
			if err != nil {
				t.Fatal(err)
			}
			for sent := 0; sent < 2000; {
				// An answer to an earlier one, that the port is closed, is an error here.
				if _, err := conn.Write([]byte{1}); err == nil {
					sent++
				}
			}
			_ = conn.Close()
		}
		// Messages are never sampled, and the last of them comes after the last knock.
		for deadline := time.Now().Add(patience); received(t, live, "spa") < 2000; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d messages arrive", received(t, live, "spa"))
			}
		}
		if n := received(t, live, "knocks"); n < c.least || n > c.most {
			t.Errorf("one in %d: %d of 2000, want %d to %d", c.sample, n, c.least, c.most)
		}
		if err := live.Close(); err != nil {
			t.Error(err)
		}
	}
}

func received(t *testing.T, live *Live, ring string) int {
	t.Helper()
	stats, err := live.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return int(stats[ring].Received)
}
