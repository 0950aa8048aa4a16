package phrase

import (
	"testing"
	"time"
)

func TestNearest(t *testing.T) {
	known := []string{"status", "knock", "setup", "add", "list", "remove", "--watch"}
	for in, want := range map[string]string{
		"stauts": "status", "knok": "knock", "ad": "add", "lst": "list", "--wacth": "--watch", "remove": "remove",
		"": "", "frobnicate": "", "x": "",
	} {
		if got := Nearest(in, known); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "1d": day, "2w": 14 * day, "500ms": time.Second / 2, "0s": 0,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"10": "a unit is missing: want 10s, 10m, 10h or 10d", "10min": "want 10m", "1 day": "want 1d", "2 Hours": "want 2h", "1 d": "want 1d", "0": "a unit is missing: want 0s, 0m, 0h or 0d",
		"": errDuration.Error(), "-2h": errDuration.Error(), "d": errDuration.Error(), "1.5d": errDuration.Error(), "soon": errDuration.Error(), "99999999999d": errDuration.Error(), "１０m": errDuration.Error(),
	} {
		if got, err := ParseDuration(in); err == nil || err.Error() != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[time.Duration]string{30 * time.Second: "30s", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", day: "24h", 14 * day: "14d", 0: "0s"} {
		if got := Duration(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
