//go:build linux

package top

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

// The lists that are shown.
const (
	asks = iota // shown only if anyone asks
	grants
	findings
	events
	lists
)

// maxEvents is how many are kept on the screen's memory.
const maxEvents = 1000

// model is what is shown, and what the user is about to do.
type model struct {
	act           acting
	color         bool
	width, height int
	now           time.Time

	status   control.Status
	at       time.Time // when the status was asked for; zero: never
	before   control.Status
	beforeAt time.Time
	found    control.FindingsAnswer
	asked    control.AsksAnswer
	events   []happening // the latest first
	missed   uint64
	lost     error // the daemon does not answer; nil: it does

	asking     bool // a status is on its way
	askAgain   bool // something has changed meanwhile
	list       int  // the one that keys are for
	selected   [lists]int
	filter     string
	input      *prompt
	explaining bool
	said       doneMsg
}

// happening is an event that is shown.
type happening struct {
	control.Happening
	missed uint64 // before it
}

// prompt is a question at the bottom: an answer in words, or y.
type prompt struct {
	question string
	text     string
	yes      bool // it takes one key
	then     func(m *model, text string) tea.Cmd
}

func newModel(color bool) *model {
	return &model{color: color, width: 80, height: 24, list: events, now: time.Now()}
}

// Init asks for everything.
func (m *model) Init() tea.Cmd {
	m.asking = true
	return tea.Batch(m.act.status(), m.act.findings(), m.act.asks(), tick())
}

// Update takes a message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		m.now = time.Time(msg)
		m.leaveEmpty()
		return m, tea.Batch(tick(), m.refresh())
	case statusMsg:
		return m, m.heard(msg)
	case findingsMsg:
		m.found = control.FindingsAnswer(msg)
	case asksMsg:
		m.asked = control.AsksAnswer(msg)
		m.leaveEmpty()
	case noticeMsg:
		return m, m.noticed(control.Notice(msg))
	case lostMsg:
		m.asking, m.askAgain, m.lost = false, false, msg.err
	case doneMsg:
		m.said = msg
	case tea.KeyPressMsg:
		return m, m.pressed(msg.String(), msg.Text)
	case tea.PasteMsg:
		if m.input != nil && !m.input.yes {
			m.input.add(msg.Content)
		}
	}
	return m, nil
}

// refresh asks for the status, once at a time.
func (m *model) refresh() tea.Cmd {
	if m.asking {
		m.askAgain = true
		return nil
	}
	m.asking = true
	return m.act.status()
}

// heard takes a status. Two of them, a second apart at least, make rates.
func (m *model) heard(s statusMsg) tea.Cmd {
	again := m.askAgain && s.at.Sub(m.at) > 200*time.Millisecond
	m.asking, m.askAgain = false, false
	var cmd tea.Cmd
	if m.lost != nil || m.at.IsZero() {
		cmd = tea.Batch(m.act.findings(), m.act.asks())
	}
	if m.lost = nil; m.at.IsZero() || !m.status.Started.Equal(s.status.Started) {
		m.before, m.beforeAt = control.Status{}, time.Time{}
	}
	if !m.at.IsZero() && s.status.Started.Equal(m.status.Started) && s.at.Sub(m.at) >= 900*time.Millisecond {
		m.before, m.beforeAt = m.status, m.at
	}
	m.status, m.at = s.status, s.at
	if s.at.After(m.now) {
		m.now = s.at
	}
	if again {
		return tea.Batch(cmd, m.refresh())
	}
	return cmd
}

func (m *model) noticed(n control.Notice) tea.Cmd {
	m.missed += n.Missed
	if n.Event != nil && shown(n.Event.Event) {
		m.events = append([]happening{{*n.Event, n.Missed}}, m.events[:min(len(m.events), maxEvents-1)]...)
		if m.list == events && m.selected[events] > 0 { // what is selected stays so
			m.selected[events] = min(m.selected[events]+1, len(m.events)-1)
		}
	}
	var cmds []tea.Cmd
	if n.Restarted || slices.Contains(n.Changes, "findings") {
		cmds = append(cmds, m.act.findings())
	}
	if n.Restarted || slices.Contains(n.Changes, "asks") {
		cmds = append(cmds, m.act.asks())
	}
	if n.Restarted || m.lost != nil || slices.ContainsFunc(n.Changes, func(c string) bool { return c != "findings" && c != "asks" }) {
		cmds = append(cmds, m.refresh())
	}
	return tea.Batch(cmds...)
}

// shown reports whether an event stands in the list: what has been counted on only
// would push out the rest.
func shown(e event.Event) bool { return e.Kind != "" }

// rates returns refusals and packets to closed ports, by the second.
func (m *model) rates() (refused, dropped float64, known bool) {
	seconds := m.at.Sub(m.beforeAt).Seconds()
	if m.beforeAt.IsZero() || seconds <= 0 {
		return 0, 0, false
	}
	var is, was uint64
	for _, n := range m.status.Refusals {
		is += n
	}
	for _, n := range m.before.Refusals {
		was += n
	}
	if is < was || m.status.Dropped < m.before.Dropped { // the table is another
		return 0, 0, false
	}
	return float64(is-was) / seconds, float64(m.status.Dropped-m.before.Dropped) / seconds, true
}

// What passes the filter.

func (m *model) grants() []event.Grant {
	list := make([]event.Grant, 0, len(m.status.Grants))
	for _, g := range m.status.Grants {
		if g.Until.After(m.now) && m.passes(g.Door, g.For(), g.Client, m.status.Labels[g.Client]) {
			list = append(list, g)
		}
	}
	slices.SortStableFunc(list, func(a, b event.Grant) int { return a.Until.Compare(b.Until) })
	return list
}

func (m *model) findings() []event.Finding {
	list := make([]event.Finding, 0, len(m.found.Findings))
	for _, f := range m.found.Findings {
		if m.passes(f.ID, f.Rule, string(f.Severity), f.Door, f.Client, addr(f.Source), f.Explanation) {
			list = append(list, f)
		}
	}
	return list
}

func (m *model) happenings() []happening {
	if m.filter == "" {
		return m.events
	}
	var list []happening
	for _, e := range m.events {
		if m.passes(string(e.Kind), e.Door, e.Client, addr(e.Source), string(e.Reason), e.Detail) {
			list = append(list, e)
		}
	}
	return list
}

func (m *model) passes(texts ...string) bool {
	return m.filter == "" || slices.ContainsFunc(texts, func(s string) bool {
		return strings.Contains(strings.ToLower(s), strings.ToLower(m.filter))
	})
}

// size is how long a list is.
func (m *model) size(list int) int {
	switch list {
	case asks:
		return len(m.waiting())
	case grants:
		return len(m.grants())
	case findings:
		return len(m.findings())
	}
	return len(m.happenings())
}

// at returns what is selected of a list.
func selectedOf[T any](m *model, which int, list []T) (is T, ok bool) {
	i := min(m.selected[which], len(list)-1)
	if i < 0 {
		return is, false
	}
	return list[i], true
}
