package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseWhen reads a point in time: so long ago ("30m", "2h", "7d", "2w"), a
// date or a date and time here, or RFC 3339. No text is no time.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := parseAgo(text); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%s %q: want how long ago, such as 30m, 2h or 7d, or a time such as 2026-03-01, "2026-03-01 12:30" or 2026-03-01T12:30:00Z`, flag, text)
}

// parseAgo reads a duration that may be in days or weeks, too.
func parseAgo(text string) (time.Duration, bool) {
	for unit, each := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 16)
			return time.Duration(n) * each, err == nil && n <= 36500
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
