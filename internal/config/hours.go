package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Hours are the times of the week at which something may be opened, by the
// clock on the wall. The zero Hours are all of them.
type Hours struct {
	open []span // sorted, apart from each other
}

// span is a part of the week, in minutes since Monday 00:00.
type span struct{ from, to int }

const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes

	// alwaysAfter is how far ahead the end of the hours is looked for. No grant
	// lasts longer.
	alwaysAfter = 48 * time.Hour
)

// IsZero reports whether there are no limits.
func (h Hours) IsZero() bool { return len(h.open) == 0 }

// Equal reports whether both are the same times.
func (h Hours) Equal(other Hours) bool { return slices.Equal(h.open, other.open) }

// Until reports whether now is within the hours, and when they end; the zero
// time is later than any grant. The clock on the wall is that of now's
// location: an hour that it shows twice counts twice, one that it skips is
// skipped.
func (h Hours) Until(now time.Time) (end time.Time, open bool) {
	if h.IsZero() {
		return time.Time{}, true
	}
	for at := now; at.Sub(now) < alwaysAfter; {
		left := h.left(at)
		if left == 0 {
			return at, !at.Equal(now)
		}
		next := at.Add(left)
		// Between changes of the zone, the clock on the wall runs like any other.
		if _, change := at.ZoneBounds(); !change.IsZero() && next.After(change) {
			next = change
		}
		at = next
	}
	return time.Time{}, true
}

// left is how long the wall clock can go on until it shows a time outside the
// hours.
func (h Hours) left(at time.Time) time.Duration {
	weekday := (int(at.Weekday()) + 6) % 7
	since := time.Duration(weekday)*day + time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute +
		time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	for _, s := range h.open {
		from, to := time.Duration(s.from)*time.Minute, time.Duration(s.to)*time.Minute
		if from <= since && since < to {
			return to - since
		}
	}
	return 0
}

// weekdays, as they are written.
var weekdays = [...]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

const wantHours = `hours such as "Mon-Fri 08:00-18:00", "Sat,Sun 10:00-14:00" or "22:00-06:00"`

func readHours(s *section) Hours {
	var h Hours
	for _, spans := range list(s, "hours", wantHours, onceText(parseHours)) {
		h.open = append(h.open, spans...)
	}
	if v := s.table.values["hours"]; v != nil && v.kind == unstable.Array && len(v.items) == 0 {
		s.errorf(v.place, "hours is empty, so nothing could ever be opened: want %s, or no hours", wantHours)
	}
	h.open = merged(h.open)
	return h
}

// onceText refuses the same text a second time.
func onceText[T any](parse func(string) (T, error)) func(string) (T, error) {
	seen := make(map[string]bool)
	return func(text string) (T, error) {
		v, err := parse(text)
		if err == nil && seen[text] {
			err = fmt.Errorf("%q is listed twice", text)
		}
		seen[text] = true
		return v, err
	}
}

// ParseHours reads hours as they stand in the configuration; of none it makes
// the zero Hours.
func ParseHours(list ...string) (Hours, error) {
	var h Hours
	for _, text := range list {
		spans, err := parseHours(text)
		if err != nil {
			return Hours{}, err
		}
		h.open = append(h.open, spans...)
	}
	h.open = merged(h.open)
	return h, nil
}

// parseHours reads "Mon-Fri 08:00-18:00". Without days it is every day. What
// ends before it begins ends on the next day.
func parseHours(text string) ([]span, error) {
	days, times, both := strings.Cut(text, " ")
	if !both {
		days, times = "Mon-Sun", text
	}
	which, err := parseDays(days)
	var from, to int
	if err == nil {
		from, to, err = parseTimes(times)
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w: want %s", text, err, wantHours)
	}
	var spans []span
	for d, on := range which {
		if on {
			spans = append(spans, cut(span{d*dayMinutes + from, d*dayMinutes + to})...)
		}
	}
	return spans, nil
}

// cut divides what goes beyond the end of the week.
func cut(s span) []span {
	if s.to <= weekMinutes {
		return []span{s}
	}
	return []span{{s.from, weekMinutes}, {0, s.to - weekMinutes}}
}

// parseDays reads "Mon", "Mon-Fri", "Fri-Mon" and such, divided by commas.
func parseDays(text string) (days [7]bool, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(weekdays[:], first), slices.Index(weekdays[:], last)
		if from < 0 || to < 0 {
			return days, fmt.Errorf("%q is no day", part)
		}
		for d := from; ; d = (d + 1) % 7 {
			if days[d] {
				return days, fmt.Errorf("%s is named twice", weekdays[d])
			}
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

// parseTimes reads "08:00-18:00" into minutes of the day; the second may be
// on the next one.
func parseTimes(text string) (from, to int, err error) {
	first, last, both := strings.Cut(text, "-")
	if !both {
		return 0, 0, errors.New("one time is missing")
	}
	if from, err = parseClock(first); err == nil {
		to, err = parseClock(last)
	}
	switch {
	case err != nil:
		return 0, 0, err
	case from == dayMinutes:
		return 0, 0, errors.New("24:00 can only be the end")
	case from == to:
		return 0, 0, errors.New("it ends when it begins; the whole day is 00:00-24:00")
	case to < from:
		to += dayMinutes
	}
	return from, to, nil
}

// parseClock reads "08:00", up to "24:00".
func parseClock(text string) (int, error) {
	bad := fmt.Errorf("%q is no time", text)
	if len(text) != 5 || text[2] != ':' {
		return 0, bad
	}
	h, err1 := strconv.ParseUint(text[:2], 10, 8)
	m, err2 := strconv.ParseUint(text[3:], 10, 8)
	if err1 != nil || err2 != nil || m > 59 || h*60+m > dayMinutes {
		return 0, bad
	}
	return int(h*60 + m), nil
}

// merged joins spans that touch.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var list []span
	for _, s := range spans {
		if n := len(list); n > 0 && s.from <= list[n-1].to {
			list[n-1].to = max(list[n-1].to, s.to)
			continue
		}
		list = append(list, s)
	}
	return list
}

// Zone is a time zone. The zero Zone is that of the host.
type Zone struct{ location *time.Location }

// In returns the same moment by the clock on the wall of the zone.
func (z Zone) In(t time.Time) time.Time {
	if z.location == nil {
		return t.Local()
	}
	return t.In(z.location)
}

// Equal reports whether two zones have the same name.
func (z Zone) Equal(other Zone) bool {
	return z == other || z.location != nil && other.location != nil && z.location.String() == other.location.String()
}

func readZone(s *section) Zone {
	const want = `the name of a time zone, such as "Europe/Berlin" or "UTC"`
	v := s.scalar("timezone", unstable.String, want)
	if v == nil {
		return Zone{}
	}
	zone, err := ParseZone(v.text)
	if err != nil {
		s.bad("timezone", v, want)
	}
	return zone
}

// ParseZone returns the time zone of a name such as "Europe/Berlin".
func ParseZone(name string) (Zone, error) {
	if name == "" || name == "Local" {
		return Zone{}, fmt.Errorf("%q names no time zone", name)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return Zone{}, fmt.Errorf("find the time zone %q: %w", name, err)
	}
	return Zone{location}, nil
}

// String writes the hours as they can stand in the configuration, with commas
// between them, days of the same times together; none for always.
func (h Hours) String() string {
	var times [7]string
	for _, s := range h.open {
		for at := s.from; at < s.to; { // a part for each day
			d := at / dayMinutes
			end := min(s.to, (d+1)*dayMinutes)
			if times[d] != "" {
				times[d] += ","
			}
			times[d] += writeClock(at-d*dayMinutes) + "-" + writeClock(end-d*dayMinutes)
			at = end
		}
	}
	var list []string
	for d := 0; d < len(times); {
		last := d
		for last+1 < len(times) && times[last+1] == times[d] {
			last++
		}
		days := weekdays[d]
		if last > d {
			days += "-" + weekdays[last]
		}
		for part := range strings.SplitSeq(times[d], ",") {
			if part != "" {
				list = append(list, days+" "+part)
			}
		}
		d = last + 1
	}
	return strings.Join(list, ", ")
}

func writeClock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }
