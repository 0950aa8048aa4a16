package config

import (
	"strings"
	"testing"
	"time"
)

func hours(t testing.TB, list ...string) Hours {
	t.Helper()
	h, err := ParseHours(list...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func at(t testing.TB, text, zone string) time.Time {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return m.In(location)
}

func TestHours(t *testing.T) {
	const berlin = "Europe/Berlin" // +01:00, in summer +02:00 from 2026-03-29 02:00 to 2026-10-25 03:00
	office := []string{"Mon-Fri 08:00-18:00", "Sat 10:00-14:00"}
	for name, c := range map[string]struct {
		hours    []string
		now, end string // end: "" closed, "always" no end in sight
	}{
		"no hours":                          {nil, "2026-11-23T03:00:00+01:00", "always"},
		"before":                            {office, "2026-11-23T07:59:59+01:00", ""},
		"the first moment":                  {office, "2026-11-23T08:00:00+01:00", "2026-11-23T18:00:00+01:00"},
		"the last second":                   {office, "2026-11-23T17:59:59+01:00", "2026-11-23T18:00:00+01:00"},
		"the end":                           {office, "2026-11-23T18:00:00+01:00", ""},
		"saturday":                          {office, "2026-11-28T13:00:00+01:00", "2026-11-28T14:00:00+01:00"},
		"sunday":                            {office, "2026-11-29T12:00:00+01:00", ""},
		"the whole week":                    {[]string{"00:00-24:00"}, "2026-11-29T12:00:00+01:00", "always"},
		"a night, before midnight":          {[]string{"22:00-06:00"}, "2026-11-23T23:00:00+01:00", "2026-11-24T06:00:00+01:00"},
		"a night, after midnight":           {[]string{"22:00-06:00"}, "2026-11-24T05:00:00+01:00", "2026-11-24T06:00:00+01:00"},
		"a night, at noon":                  {[]string{"22:00-06:00"}, "2026-11-24T12:00:00+01:00", ""},
		"the night at the end of a week":    {[]string{"Sun 22:00-06:00"}, "2026-11-29T23:00:00+01:00", "2026-11-30T06:00:00+01:00"},
		"it is Monday by then":              {[]string{"Sun 22:00-06:00"}, "2026-11-30T05:59:00+01:00", "2026-11-30T06:00:00+01:00"},
		"days over the end of the week":     {[]string{"Sat-Mon 10:00-12:00"}, "2026-11-30T11:00:00+01:00", "2026-11-30T12:00:00+01:00"},
		"hours that touch":                  {[]string{"Mon 20:00-24:00", "Tue 00:00-02:00"}, "2026-11-23T21:00:00+01:00", "2026-11-24T02:00:00+01:00"},
		"hours that overlap":                {[]string{"Mon 08:00-12:00", "Mon 10:00-14:00"}, "2026-11-23T09:00:00+01:00", "2026-11-23T14:00:00+01:00"},
		"over the hour that is skipped":     {[]string{"Sun 01:00-05:00"}, "2026-03-29T01:30:00+01:00", "2026-03-29T05:00:00+02:00"},
		"ends in the hour that is skipped":  {[]string{"Sun 01:00-02:30"}, "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"},
		"is in the hour that is skipped":    {[]string{"Sun 02:10-02:50"}, "2026-03-29T03:00:00+02:00", ""},
		"over the hour that comes twice":    {[]string{"Sun 01:00-05:00"}, "2026-10-25T01:30:00+02:00", "2026-10-25T05:00:00+01:00"},
		"the hour that comes twice, first":  {[]string{"Sun 02:00-02:30"}, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"},
		"the hour that comes twice, again":  {[]string{"Sun 02:00-02:30"}, "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
		"up to the clock being set back":    {[]string{"Sun 01:00-03:00"}, "2026-10-25T02:59:00+02:00", "2026-10-25T03:00:00+01:00"},
		"closes when the clock is set back": {[]string{"Sun 02:30-05:00"}, "2026-10-25T02:59:00+02:00", "2026-10-25T02:00:00+01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			end, open := hours(t, c.hours...).Until(at(t, c.now, berlin))
			switch {
			case c.end == "" && open:
				t.Errorf("open until %s, want it closed", end)
			case c.end == "always" && (!open || !end.IsZero()):
				t.Errorf("open: %t, until %s, want always", open, end)
			case c.end != "" && c.end != "always" && (!open || !end.Equal(at(t, c.end, berlin))):
				t.Errorf("open: %t, until %s, want %s", open, end, c.end)
			}
		})
	}
}

// At every minute of two weeks with a change of the clock, Until agrees with
// asking minute by minute.
func TestHoursAgreeWithAModel(t *testing.T) {
	for _, list := range [][]string{{"Mon-Fri 08:00-18:00", "Sat 10:00-14:00"}, {"22:00-06:00"}, {"Sun 02:15-02:45"}, {"Fri-Mon 20:00-04:30", "Wed 00:00-24:00"}} {
		h := hours(t, list...)
		for _, start := range []string{"2026-03-26T00:00:00+01:00", "2026-10-22T00:00:00+02:00"} {
			first := at(t, start, "Europe/Berlin")
			const minutes = 6 * dayMinutes
			open := make([]bool, minutes)
			for i := range open {
				m := first.Add(time.Duration(i) * time.Minute)
				of := (int(m.Weekday())+6)%7*dayMinutes + m.Hour()*60 + m.Minute()
				for _, s := range h.open {
					open[i] = open[i] || s.from <= of && of < s.to
				}
			}
			for i := range minutes - 2*dayMinutes {
				now := first.Add(time.Duration(i) * time.Minute)
				end, got := h.Until(now)
				n := i
				for n < minutes && open[n] {
					n++
				}
				if want := first.Add(time.Duration(n) * time.Minute); got != open[i] || got && !end.Equal(want) {
					t.Fatalf("%v at %s: open %t until %s, want %t until %s", list, now, got, end, open[i], want)
				}
			}
		}
	}
}

func TestHoursThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"", " ", "Mon", "Mon ", "8:00-18:00", "08:00", "08:00-", "08:00-18:00 ", " 08:00-18:00", "08:00 - 18:00", "Mon  08:00-18:00",
		"08:00-18:60", "08:00-24:01", "24:00-06:00", "08:00-08:00", "00:00-00:00", "08:00-25:00", "+8:00-18:00", "08:00–18:00",
		"mon 08:00-18:00", "Monday 08:00-18:00", "Mon-Mon-Tue 08:00-18:00", "Mon,Mon 08:00-18:00", "Mon-Wed,Tue 08:00-18:00", "Mon, 08:00-18:00", "-Mon 08:00-18:00",
	} {
		if spans, err := parseHours(text); err == nil {
			t.Errorf("%q is read as %v", text, spans)
		}
	}
}

func FuzzHours(f *testing.F) {
	f.Add("Mon-Fri 08:00-18:00", int64(1_790_000_000))
	f.Add("22:00-06:00", int64(0))
	f.Add("Fri-Mon,Wed 00:00-24:00", int64(1<<40))
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		spans, err := parseHours(text)
		if err != nil {
			return
		}
		now := time.Unix(unix%(1<<35), 0).UTC()
		end, open := Hours{merged(spans)}.Until(now)
		if open && !end.IsZero() && (!end.After(now) || end.Sub(now) > 8*day) {
			t.Errorf("%q at %s: open until %s", text, now, end)
		}
	})
}

// What hours write, they read again.
func TestHoursAreWrittenAsTheyAreRead(t *testing.T) {
	for _, c := range []struct {
		hours []string
		want  string
	}{
		{nil, ""},
		{[]string{"Mon-Fri 08:00-18:00"}, "Mon-Fri 08:00-18:00"},
		{[]string{"Sat,Sun 10:00-14:00", "Mon 09:00-10:00"}, "Mon 09:00-10:00, Sat-Sun 10:00-14:00"},
		{[]string{"Fri 22:00-06:00"}, "Fri 22:00-24:00, Sat 00:00-06:00"},
		{[]string{"08:00-09:00", "10:00-11:00"}, "Mon-Sun 08:00-09:00, Mon-Sun 10:00-11:00"},
	} {
		h, err := ParseHours(c.hours...)
		if err != nil {
			t.Fatal(err)
		}
		if h.String() != c.want {
			t.Errorf("%q: %q, want %q", c.hours, h, c.want)
		}
		if c.want == "" {
			continue
		}
		again, err := ParseHours(strings.Split(h.String(), ", ")...)
		if err != nil || !again.Equal(h) {
			t.Errorf("%q is read as %q, %v", h, again, err)
		}
	}
}
