package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// Advice returns what to do, the most urgent first: at most a page of it.
func (r *Report) Advice() []string { return r.advice(r.Lang) }

func (r *Report) advice(l lang.Lang) []string {
	list := r.urgent(l)
	for _, o := range r.Overdue {
		list = append(list, sentence(o.In(l)))
	}
	list = append(list, r.refused(l)...)
	for _, u := range r.ClientUse() {
		if u.Fwknop > 0 {
			list = append(list, l.Sayf("Client %q still knocks with fwknop: %s, the last at %s. Give that device a key of its own, then remove fwknop from the client.", u.Name, times(l, u.Fwknop), r.Stamp(u.LastFwknop)))
		}
	}
	if names := idle(r.ClientUse()); len(names) > 0 && len(names) < len(r.clients) {
		list = append(list, l.Sayf("Not seen in this time: %s. Does each still need to get in? If not: sallyport client remove NAME.", names.some(l, l.Say("client"), l.Say("clients"))))
	}
	if names := idle(r.DoorUse()); len(names) > 0 && r.Grants > 0 {
		list = append(list, l.Sayf("Opened for nobody in this time: %s. A door that nobody needs is better taken down with its service.", names.some(l, l.Say("door"), l.Say("doors"))))
	}
	if r.Uses > 0 && r.Grants > r.Uses+r.Grants/4 {
		list = append(list, l.Sayf("%d of %d grants were never used by a connection. If people knock twice or the service answers slowly, a longer open_for helps; otherwise a shorter one leaves less open.", r.Grants-r.Uses, r.Grants))
	}
	if r.Failures > 0 {
		list = append(list, l.Sayf("Something did not work, or was lost, %s: see the end of this report, and sallyport events --kind failure,overload,repair.", times(l, r.Failures)))
	}
	if len(list) == 0 {
		return []string{l.Say("Nothing to do.")}
	}
	return list[:min(len(list), 20)]
}

// refused says what clients should do that were never let in.
func (r *Report) refused(l lang.Lang) (list []string) {
	for _, u := range r.ClientUse() {
		if x, known := Explain(u.Reason); known && u.Refusals > 0 && u.Grants == 0 && x.Advice != "" {
			list = append(list, l.Sayf("Client %q was refused %s and never let in (%s). %s", u.Name, times(l, u.Refusals), u.Reason, l.Say(x.Advice)))
		}
	}
	return list
}

// urgent returns what severe findings advise; what several do, once.
func (r *Report) urgent(l lang.Lang) (list []string) {
	var advice []string
	ids := make(map[string]names)
	for _, f := range r.Findings {
		if f.Advice == "" || f.Severity != event.Critical && f.Severity != event.High {
			continue
		}
		text := detect.In(l, f).Advice
		if ids[text] == nil {
			advice = append(advice, text)
		}
		ids[text] = append(ids[text], f.ID)
	}
	for _, a := range advice {
		list = append(list, l.Sayf("%s (%s: sallyport findings ack %s, once that is done)", a, ids[a].some(l, l.Say("finding"), l.Say("findings")), ids[a][0]))
	}
	return list
}

type names []string

// idle returns the configured ones that were never used.
func idle(list []Use) names {
	var n names
	for _, u := range list {
		if u.Configured && u.Grants == 0 && u.Refusals == 0 {
			n = append(n, u.Name)
		}
	}
	return n
}

func (n names) some(l lang.Lang, one, several string) string {
	const most = 8
	word := one
	if len(n) > 1 {
		word = several
	}
	text := word + " " + strings.Join(n[:min(len(n), most)], ", ")
	if more := len(n) - most; more > 0 {
		text += l.Sayf(" and %d more", more)
	}
	return text
}

func times(l lang.Lang, n uint64) string {
	if n == 1 {
		return l.Say("once")
	}
	return l.Sayf("%s times", group(n))
}

// group writes a number with a thin mark every three digits: 12,345.
func group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// sentence begins with a capital.
func sentence(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[n:]
}
