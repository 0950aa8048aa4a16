//go:build linux

package top

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/askcode"
	"sallyport/internal/columns"
	"sallyport/internal/control"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
)

// asksMsg is who waits to be let in.
type asksMsg control.AsksAnswer

// asks asks who waits. A daemon of before an upgrade has nobody who does.
func (a acting) asks() tea.Cmd {
	return a.do(func(ctx context.Context) tea.Msg {
		list, _ := a.d.Asks(ctx) // an error is that of the status, too
		return asksMsg(list)
	})
}

// waiting is who passes the filter, and still waits.
func (m *model) waiting() []control.Ask {
	var list []control.Ask
	for _, a := range m.asked.Asks {
		if a.Until.After(m.now) && m.passes(a.ID, a.Client, a.Door, a.Note, addr(a.Source)) {
			list = append(list, a)
		}
	}
	return list
}

// next goes to the list after, or before, without the one of asks where nobody does.
func (m *model) next(by int) {
	m.list = (m.list + by + lists) % lists
	if m.list == asks && len(m.waiting()) == 0 {
		m.list = (m.list + by + lists) % lists
	}
}

// leaveEmpty goes to another list where nobody waits any more.
func (m *model) leaveEmpty() {
	if m.list == asks && len(m.waiting()) == 0 {
		m.next(1)
		m.explaining = false
	}
}

func (m *model) askLine(a control.Ask) string {
	who := a.Client
	if who == "" {
		who = "anyone"
	}
	text := columns.Pad(inert.Text(who), 14) + " " + columns.Pad(addr(a.Source), 18) + " " + columns.Pad(phrase.Duration(a.Until.Sub(m.now).Round(time.Second)), 8)
	for _, w := range []string{a.Door, a.Note} {
		if w != "" {
			text += " " + inert.Text(w)
		}
	}
	return text
}

// known is what an operator should know of an ask.
func (m *model) known(a control.Ask) (text []string) {
	text = []string{m.askLine(a), ""}
	if a.Bound {
		text = append(text, "The client has signed this address.")
	}
	if l := a.Lookup; l != nil {
		if l.Last != nil {
			text = append(text, fmt.Sprintf("Last let in at %s: %s", l.Last.Time.Local().Format(time.DateTime), inert.Text(l.Last.Door+" "+l.Last.Client)))
		} else {
			text = append(text, "Not let in in the last 30 days.")
		}
		text = append(text, fmt.Sprintf("Refused %s in the last day.", times(l.Refusals)))
		if l.Banned {
			text = append(text, "The address is banned.")
		}
		for _, f := range l.Findings {
			text = append(text, "- "+inert.Text(fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, f.Explanation)))
		}
	}
	return append(text, "", "Ask the person for the code, and who it is: a lets in this address with it, r does not.")
}

func (m *model) askApprove() {
	a, ok := selectedOf(m, asks, m.waiting())
	if !ok {
		return
	}
	m.input = &prompt{question: fmt.Sprintf("let in %s: code [door] [time]", a.Source), then: func(m *model, text string) tea.Cmd {
		q, err := approval(text)
		if err != nil {
			m.said.err = err
			return nil
		}
		q.ID = a.ID
		return m.act.order(fmt.Sprintf("%s is let in", a.Source), func(ctx context.Context) error {
			_, err := m.act.d.Approve(ctx, q)
			return err
		})
	}}
}

// approval reads a code, in one word or two, and perhaps a door and a time.
func approval(text string) (q control.ApproveRequest, err error) {
	words := strings.Fields(text)
	for n := 1; n <= 2 && q.Code == ""; n++ {
		if len(words) < n {
			break
		}
		if _, err := askcode.Parse(strings.Join(words[:n], "")); err == nil {
			q.Code, words = strings.Join(words[:n], ""), words[n:]
		}
	}
	if q.Code == "" || len(words) > 2 {
		return q, errors.New("want the code that the person says, and perhaps a door and a time, such as: BCDFGH ssh 10m")
	}
	for _, w := range words {
		if d, err := phrase.ParseDuration(w); err == nil {
			q.For = control.Duration(d)
		} else {
			q.Door = w
		}
	}
	return q, nil
}

func (m *model) askRefuse() {
	a, ok := selectedOf(m, asks, m.waiting())
	if !ok {
		return
	}
	m.input = &prompt{yes: true, question: fmt.Sprintf("not let in %s?", a.Source), then: func(m *model, _ string) tea.Cmd {
		return m.act.order(fmt.Sprintf("%s is not let in", a.Source), func(ctx context.Context) error {
			_, err := m.act.d.Refuse(ctx, control.RefuseRequest{ID: a.ID})
			return err
		})
	}}
}

// asker is the address of the ask that is selected.
func (m *model) asker() netip.Addr {
	a, _ := selectedOf(m, asks, m.waiting())
	return a.Source
}
