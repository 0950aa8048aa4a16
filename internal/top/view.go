//go:build linux

package top

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/columns"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
	"sallyport/internal/report"
)

// Colours (ECMA-48). A colour only ever repeats what a word says too.
const (
	bold    = "1"
	faint   = "2"
	reverse = "7"
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	alarm   = "1;31"
)

const (
	leastWidth, leastHeight = 40, 12

	help     = "tab list  o open  r revoke  x +cut  b ban  a ack  / filter  e explain  q quit"
	helpAsks = "tab list  a let in  r refuse  b ban  / filter  e explain  q quit"
)

// View draws the screen: as many lines as it has, none wider than it.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	return v
}

func (m *model) screen() []string {
	if m.width < leastWidth || m.height < leastHeight {
		return []string{m.line("", fmt.Sprintf("want %d x %d", leastWidth, leastHeight))}
	}
	lines := []string{m.head(), m.troubles()}
	room := m.height - len(lines) - 2 // the two at the bottom
	if m.explaining {
		lines = append(lines, m.explanation(room)...)
	} else {
		lines = append(lines, m.body(room)...)
	}
	for len(lines) < m.height-2 {
		lines = append(lines, "")
	}
	keys := help
	if m.list == asks {
		keys = helpAsks
	}
	return append(lines, m.bottom(), m.line(faint, keys))
}

// body shares the room among the lists: each gets what it needs, up to its part, and
// events what is left.
func (m *model) body(room int) []string {
	g, f := m.grants(), m.findings()
	forGrants := min(max(len(g), 1), room/3-1)
	forFindings := min(max(len(f), 1), room/4-1)
	var lines []string
	if w := m.waiting(); len(w) > 0 {
		lines = m.section(asks, fmt.Sprintf("ASKS  %d to be let in", len(w)), len(w), min(len(w), max(room/4-1, 1)), "", func(i int) (string, string) { return yellow, m.askLine(w[i]) })
	}
	lines = append(lines, m.section(grants, fmt.Sprintf("IN  %s", count(len(g), "grant")), len(g), forGrants, "nobody: every door is closed", func(i int) (string, string) { return green, m.grantLine(g[i]) })...)
	lines = append(lines, m.section(findings, fmt.Sprintf("FINDINGS  %d to be acknowledged", len(f)+m.found.More), len(f), forFindings, "none", func(i int) (string, string) { return severity(f[i]), m.findingLine(f[i]) })...)
	e := m.happenings()
	title := "EVENTS"
	if m.missed > 0 {
		title += fmt.Sprintf("  %d are not shown", m.missed)
	}
	return append(lines, m.section(events, title, len(e), room-len(lines)-1, "none yet", func(i int) (string, string) { return colorOf(e[i].Event), eventLine(e[i]) })...)
}

// section is a title, and as many rows of a list as there is room for, around what is
// selected.
func (m *model) section(which int, title string, n, room int, none string, row func(int) (color, text string)) []string {
	lines := []string{m.title(which, title)}
	if n == 0 {
		return append(lines, m.line(faint, "  "+none))
	}
	at := min(m.selected[which], n-1)
	first := max(0, min(at-room/2, n-room))
	for i := first; i < min(first+room, n); i++ {
		color, text := row(i)
		mark := "  "
		if i == at && m.list == which {
			mark, color = "> ", bold
		}
		lines = append(lines, m.line(color, mark+text))
	}
	return lines
}

func (m *model) title(which int, text string) string {
	if m.filter != "" {
		text += fmt.Sprintf("  only with %q", m.filter)
	}
	if which == m.list {
		return m.line(reverse, columns.Pad(">"+text, m.width))
	}
	return m.line(bold, " "+text)
}

// head says whether all is well, in the first line.
func (m *model) head() string {
	clock := m.now.Local().Format(time.TimeOnly)
	switch {
	case m.lost != nil:
		return m.line(alarm, columns.Pad("sallyport: the daemon does not answer, trying again", m.width-len(clock))+clock)
	case m.at.IsZero():
		return m.line("", "sallyport: asking the daemon")
	}
	open := make(map[string]bool)
	for _, g := range m.status.Grants {
		open[g.Door] = true
	}
	text := fmt.Sprintf("sallyport %s  up %s  %s, %d open", inert.Text(m.status.Version), phrase.Duration(m.now.Sub(m.status.Started).Truncate(time.Second)), count(len(m.status.Doors), "door"), len(open))
	if refused, dropped, known := m.rates(); known {
		text += fmt.Sprintf("  junk %.0f/s  refused %.0f/s", dropped, refused)
	}
	return m.line(bold, columns.Pad(cut(text, m.width-len(clock)-1), m.width-len(clock))+clock)
}

func (m *model) troubles() string {
	switch n := len(m.status.Problems); {
	case m.lost != nil:
		return m.line(red, "! "+m.lost.Error())
	case n == 1:
		return m.line(yellow, "! "+m.status.Problems[0])
	case n > 1:
		return m.line(yellow, fmt.Sprintf("! (1 of %d) %s", n, m.status.Problems[0]))
	}
	return ""
}

func (m *model) bottom() string {
	switch {
	case m.input != nil && m.input.yes:
		return m.line(yellow, m.input.question+" (y/n)")
	case m.input != nil:
		return m.line(yellow, m.input.question+": "+m.input.text+"_")
	case m.said.err != nil:
		return m.line(red, withHint(m.said.err))
	}
	return m.line(green, m.said.text)
}

// withHint is an error with its remedy, on one line.
func withHint(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
		return err.Error() + ": " + h.Hint()
	}
	return err.Error()
}

func (m *model) grantLine(g event.Grant) string {
	who := g.Client
	if label := m.status.Labels[g.Client]; label != "" {
		who = label + " (" + g.Client + ")"
	}
	if who == "" {
		who = "(" + g.Owner().String() + ")"
	}
	left := phrase.Duration(max(g.Until.Sub(m.now), 0).Round(time.Second))
	if g.Single {
		left += ", single"
	}
	return columns.Pad(inert.Text(g.Door), 14) + " " + columns.Pad(g.For(), 18) + " " + columns.Pad(left, 12) + " " + inert.Text(who)
}

func (m *model) findingLine(f event.Finding) string {
	return columns.Pad(strings.ToUpper(inert.Text(string(f.Severity))), 8) + " " + f.Last.Local().Format(time.TimeOnly) + " " + inert.Text(f.Explanation)
}

func eventLine(e happening) string {
	var words []string
	for _, w := range []string{e.Door, e.Client, addr(e.Source), string(e.Reason), e.Detail} {
		if w != "" {
			words = append(words, inert.Text(w))
		}
	}
	kind := string(e.Kind)
	if e.Ended {
		kind += " over"
	}
	return e.Time.Local().Format(time.TimeOnly) + " " + columns.Pad(inert.Text(kind), 11) + " " + strings.Join(words, "  ")
}

// explanation is all that is known of what is selected.
func (m *model) explanation(room int) []string {
	var title string
	var text []string
	switch m.list {
	case asks:
		a, _ := selectedOf(m, asks, m.waiting())
		title, text = fmt.Sprintf("%s asks to be let in", a.Source), m.known(a)
	case grants:
		g, _ := selectedOf(m, grants, m.grants())
		title = fmt.Sprintf("door %s is open for %s", inert.Text(g.Door), g.For())
		text = []string{m.grantLine(g), "until " + g.Until.Local().Format(time.DateTime)}
	case findings:
		f, _ := selectedOf(m, findings, m.findings())
		title = fmt.Sprintf("%s %s (%s)", inert.Text(string(f.Severity)), inert.Text(f.Rule), inert.Text(f.ID))
		text = append([]string{inert.Text(f.Explanation), "", fmt.Sprintf("%s, from %s to %s", times(f.Count), f.First.Local().Format(time.DateTime), f.Last.Local().Format(time.DateTime))}, bullets(f.Evidence)...)
		if f.Advice != "" {
			text = append(text, "", "What to do: "+inert.Text(f.Advice))
		}
	default:
		e, _ := selectedOf(m, events, m.happenings())
		title = inert.Text(string(e.Kind)) + " at " + e.Time.Local().Format(time.DateTime)
		text = explained(e)
	}
	lines := []string{m.line(reverse, columns.Pad(" "+title, m.width))}
	for _, t := range text {
		for _, l := range columns.Wrap(t, m.width-4) {
			lines = append(lines, m.line("", "  "+l))
		}
	}
	if len(lines) > room-1 {
		lines = append(lines[:room-2], m.line(faint, "  …"))
	}
	return append(lines, m.line(faint, "  any key goes back"))
}

func explained(e happening) []string {
	text := []string{eventLine(e), ""}
	if x, ok := report.Explain(e.Reason); ok {
		text = append(text, inert.Text(string(e.Reason))+": "+x.Meaning+".", x.Advice)
	}
	if e.Source.IsValid() && !e.Bound {
		text = append(text, "", "Anyone can write this address into a packet: nothing proves that it came from there.")
	}
	return text
}

func bullets(list []string) (lines []string) {
	for _, e := range list {
		lines = append(lines, "- "+inert.Text(e))
	}
	return lines
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func count(n int, word string) string { return phrase.Count(n, word) }

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func severity(f event.Finding) string {
	return map[event.Severity]string{event.Critical: alarm, event.High: red, event.Medium: yellow, event.Low: cyan, event.Info: faint}[f.Severity]
}

func colorOf(e event.Event) string {
	switch e.Kind {
	case event.KindGrant:
		return green
	case event.KindFinding, event.KindFailure, event.KindOverload:
		return yellow
	case event.KindBan:
		return red
	case event.KindRefusal, event.KindContacts:
		return faint
	}
	return ""
}

// line is one line of the screen: inert, cut to its width, and coloured.
func (m *model) line(color, text string) string {
	text = cut(inert.Text(text), m.width)
	if !m.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// cut shortens a text to a width, by the width of its characters.
func cut(text string, width int) string {
	if columns.Width(text) <= width {
		return text
	}
	used := 0
	for i, r := range text {
		n := columns.Width(string(r))
		if used+n > width-1 {
			return text[:i] + "…"
		}
		used += n
	}
	return text
}
