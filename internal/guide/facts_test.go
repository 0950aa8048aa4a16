package guide

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/lang"
)

// facts lists every value of a configuration or policy as text: durations in the words of
// the guideline, names, addresses, ports, numbers, dates.
func facts(w *writer, v reflect.Value, to map[string]bool) {
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case time.Duration:
			to[w.length(x)] = true
		case time.Time:
			to[w.day(x)] = true
		case fmt.Stringer:
			if v.Kind() != reflect.Pointer || !v.IsNil() {
				to[x.String()] = true
			}
		}
	}
	switch v.Kind() {
	case reflect.String:
		to[v.String()] = true
	case reflect.Int, reflect.Int64, reflect.Uint16:
		to[fmt.Sprint(v.Interface())] = true
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			facts(w, v.Elem(), to)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			facts(w, v.Index(i), to)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				facts(w, v.Field(i), to)
			}
		}
	}
}

// What is in code: commands of ours, words of the configuration, and what is put in by
// those who read it are not facts.
var noFact = regexp.MustCompile(`^(sallyport |systemctl |\.pub$|rotation_due$|label$)`)

var durations = regexp.MustCompile(`\d+ (?:days?|hours?|minutes?|seconds?|日|時間|分|秒)`)

// Every name, address, port and duration that is printed is in the configuration, or in the policy.
func TestEveryFactIsInTheConfiguration(t *testing.T) {
	for name := range configurations {
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			s := subject(t, name, l)
			w := &writer{Subject: s}
			known := make(map[string]bool)
			facts(w, reflect.ValueOf(s.Config), known)
			if s.Policy != nil {
				facts(w, reflect.ValueOf(s.Policy), known)
			}
			for _, d := range s.Config.Doors { // ranges, and hours
				known[w.ports(d.Ports)], known[string(w.hours(d.Hours))] = true, true
				for part := range strings.SplitSeq(w.ports(d.Ports)+", "+w.quoted([]string{d.Hours.String()}), "`") {
					known[part] = true
				}
			}
			check := func(text Text) {
				for _, p := range text.Pieces() {
					if p.Code && !noFact.MatchString(p.Text) && !known[p.Text] {
						t.Errorf("%s, %s: %q is not in the configuration: %s", name, l, p.Text, text)
					}
					for _, d := range durations.FindAllString(p.Text, -1) {
						if !known[d] {
							t.Errorf("%s, %s: %q is not in the configuration: %s", name, l, d, text)
						}
					}
				}
			}
			for _, section := range New(s).Sections {
				for _, i := range section.Items {
					check(i.Text)
					if i.Table != nil {
						for _, row := range i.Table.Rows {
							for _, cell := range row {
								check(cell)
							}
						}
					}
				}
			}
		}
	}
}

// said are the sentences and tables of a guideline, by name.
func saidBy(s Subject) map[string]string {
	by := make(map[string]string)
	for _, section := range New(s).Sections {
		for _, i := range section.Items {
			by[i.Clause] += string(i.Text)
			if i.Table != nil {
				by[i.Clause] += fmt.Sprint(i.Table.Rows)
			}
		}
	}
	return by
}

// Each field that is changed changes the sentences about it, in both languages, and no others.
func TestSentencesFollowTheConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name, want string // sentences, in order
		change     func(*Subject)
	}{
		{"how long a door is open", "doors", func(s *Subject) { s.Config.Doors[1].OpenFor = 7 * time.Minute }},
		{"hours", "clients doors", func(s *Subject) {
			s.Config.Clients[0].Hours, s.Config.Doors[0].Hours = s.Config.Doors[0].Hours, config.Hours{}
		}},
		{"what a door is for", "doors", func(s *Subject) { s.Config.Doors[0].Label = "Repairs" }},
		{"whose a client is", "clients unnamed", func(s *Subject) { s.Config.Clients[1].Label = "Bob" }},
		{"public ports", "public", func(s *Subject) { s.Config.Gate.Public = append(s.Config.Gate.Public, s.Config.Doors[0].Ports[0]) }},
		{"trusted addresses", "out-console out-trusted trusted", func(s *Subject) { s.Config.Gate.Trusted = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")} }},
		{"how long records are kept", "journal", func(s *Subject) { s.Config.Journal.Keep = 100 * 24 * time.Hour }},
		{"where records are", "journal", func(s *Subject) { s.Config.Journal.Path = "/srv/journal.db" }},
		{"the chain", "chain no-chain", func(s *Subject) { s.Config.Journal.Chain = false }},
		{"how long bans are", "bans", func(s *Subject) { s.Config.Ban.For = 3 * time.Hour }},
		{"what closed ports do", "drop reject", func(s *Subject) { s.Config.Gate.Closed = config.ClosedReject }},
		{"the longest grant of the policy", "policy-grant", func(s *Subject) { s.Policy.LongestGrant = 2 * time.Minute }},
		{"the age of secrets in the policy", "policy-age", func(s *Subject) { s.Policy.OldestSecret = 12 * 24 * time.Hour }},
		{"the next review", "review", func(s *Subject) { s.Policy.ReviewEvery = 10 * 24 * time.Hour }},
		{"the end of a client", "clients dates", func(s *Subject) { s.Config.Clients[0].Expires = now.AddDate(0, 2, 0) }},
	} {
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			before, s := saidBy(subject(t, "company", l)), subject(t, "company", l)
			tt.change(&s)
			after := saidBy(s)
			changed := []string{}
			for clause := range where {
				if before[clause] != after[clause] {
					changed = append(changed, clause)
				}
			}
			slices.Sort(changed)
			if got := strings.Join(changed, " "); got != tt.want {
				t.Errorf("%s, %s: sentences %q have changed, want %q", tt.name, l, got, tt.want)
			}
		}
	}
}
