package main

import (
	"testing"
	"time"
)

func TestWhen(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2h": "2026-03-10T10:00:00Z", "90s": "2026-03-10T11:58:30Z", "7d": "2026-03-03T12:00:00Z", "2w": "2026-02-24T12:00:00Z", "0s": "2026-03-10T12:00:00Z",
		"2026-03-01": "2026-03-01T00:00:00Z", "2026-03-01 12:30": "2026-03-01T12:30:00Z", "2026-03-01T12:30:00+01:00": "2026-03-01T11:30:00Z",
		"":    "0001-01-01T00:00:00Z",
		"-2h": "", "d": "", "-1d": "", "99999999d": "", "1.5d": "", "soon": "", "2026-02-31": "", "\x1b[2J": "",
	} {
		got, err := parseWhen("--since", text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestDurationFlag(t *testing.T) {
	for in, want := range map[string]string{"30d": "30d", "12h": "12h", "48h": "2d", "0s": "", "4095d": "4095d"} {
		var d durationFlag
		if err := d.Set(in); err != nil || d.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, d.String(), err, want)
		}
	}
}
