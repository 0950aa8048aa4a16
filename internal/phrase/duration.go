package phrase

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// units are the ways in which people write a unit. The first of each line is
// ours.
var units = [][]string{
	{"s", "sec", "secs", "second", "seconds"},
	{"m", "min", "mins", "minute", "minutes"},
	{"h", "hr", "hrs", "hour", "hours"},
	{"d", "day", "days"},
	{"w", "week", "weeks"},
}

var errDuration = errors.New("want a time such as 90s, 10m, 1h30m or 7d")

// ParseDuration reads a duration from 0: what Go writes, and whole days and
// weeks.
func ParseDuration(text string) (time.Duration, error) {
	for unit, each := range map[string]time.Duration{"d": day, "w": 7 * day} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || n > uint64(math.MaxInt64/each) {
				return 0, meant(text)
			}
			return time.Duration(n) * each, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || !strings.ContainsAny(text, "smh") {
		return 0, meant(text)
	}
	return d, nil
}

// meant says how to write what was probably meant.
func meant(text string) error {
	unit := strings.ToLower(strings.TrimSpace(strings.TrimLeft(text, "0123456789")))
	number := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	if number == "" || len(number) > 6 {
		return errDuration
	}
	if unit == "" {
		return fmt.Errorf("a unit is missing: want %[1]ss, %[1]sm, %[1]sh or %[1]sd", number)
	}
	for _, names := range units {
		for _, name := range names {
			if unit == name && text != number+names[0] {
				return fmt.Errorf("want %s%s", number, names[0])
			}
		}
	}
	return errDuration
}

// Duration writes a duration as people type it: "30s", "10m", "1h30m", "2d".
func Duration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
