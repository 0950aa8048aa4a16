//go:build linux

package top

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"sallyport/internal/control"
	"sallyport/internal/inert"
	"sallyport/internal/phrase"
)

// pressed takes a key.
func (m *model) pressed(key, text string) tea.Cmd {
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case m.input != nil:
		return m.answering(key, text)
	case m.explaining:
		m.explaining = false
		if key != "q" {
			return nil
		}
		return nil
	}
	m.said = doneMsg{}
	switch key {
	case "q":
		return tea.Quit
	case "tab", "right", "l":
		m.next(1)
	case "shift+tab", "left", "h":
		m.next(-1)
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	case "pgdown":
		m.move(10)
	case "pgup":
		m.move(-10)
	case "home", "g":
		m.selected[m.list] = 0
	case "esc":
		m.filter = ""
	case "enter", "e":
		m.explaining = m.size(m.list) > 0
	default:
		return m.ordered(key)
	}
	return nil
}

func (m *model) move(by int) {
	m.selected[m.list] = max(0, min(m.selected[m.list]+by, m.size(m.list)-1))
}

// ordered begins what changes something: each asks before it does.
func (m *model) ordered(key string) tea.Cmd {
	switch key {
	case "/":
		m.input = &prompt{question: "show only what has", text: m.filter, then: func(m *model, text string) tea.Cmd {
			m.filter, m.selected = text, [lists]int{}
			return nil
		}}
	case "o":
		m.askOpen()
	case "r":
		if m.list == asks {
			m.askRefuse()
			return nil
		}
		m.askRevoke(false)
	case "x":
		m.askRevoke(true)
	case "b":
		m.askBan()
	case "a":
		if m.list == asks {
			m.askApprove()
			return nil
		}
		m.askAcknowledge()
	}
	return nil
}

// answering takes a key of an answer.
func (m *model) answering(key, text string) tea.Cmd {
	p := m.input
	switch {
	case key == "esc", p.yes && key != "y":
		m.input = nil
	case p.yes, key == "enter":
		m.input = nil
		return p.then(m, strings.TrimSpace(p.text))
	case key == "backspace":
		_, n := utf8.DecodeLastRuneInString(p.text)
		p.text = p.text[:len(p.text)-n]
	default:
		p.add(text)
	}
	return nil
}

// maxAnswer is how long an answer may be, in bytes.
const maxAnswer = 200

// add appends what was typed or pasted, without what moves a cursor.
func (p *prompt) add(text string) {
	for _, r := range text {
		if r >= ' ' && r != 0x7f && utf8.ValidRune(r) && len(p.text)+utf8.RuneLen(r) <= maxAnswer {
			p.text += string(r)
		}
	}
}

// source is the address that what is selected is about.
func (m *model) source() netip.Addr {
	switch m.list {
	case asks:
		return m.asker()
	case grants:
		g, _ := selectedOf(m, grants, m.grants())
		return g.Source
	case findings:
		f, _ := selectedOf(m, findings, m.findings())
		return f.Source
	}
	e, _ := selectedOf(m, events, m.happenings())
	return e.Source
}

func (m *model) askOpen() {
	door := ""
	if len(m.status.Doors) > 0 {
		door = m.status.Doors[0].Name
	}
	if e, ok := selectedOf(m, events, m.happenings()); ok && m.list == events && e.Door != "" {
		door = e.Door
	}
	text := door + " "
	if a := m.source(); a.IsValid() {
		text += a.String()
	}
	m.input = &prompt{question: "open (door address [time])", text: text, then: (*model).open}
}

func (m *model) open(text string) tea.Cmd {
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 {
		m.said.err = fmt.Errorf("want a door, an address and perhaps a time, such as: ssh 192.0.2.7 30s")
		return nil
	}
	source, err := netip.ParseAddr(words[1])
	if err != nil {
		m.said.err = fmt.Errorf("%q is not an address", words[1])
		return nil
	}
	q := control.OpenRequest{Door: words[0], Source: source}
	if len(words) == 3 {
		d, err := phrase.ParseDuration(words[2])
		if err != nil {
			m.said.err = err
			return nil
		}
		q.For = control.Duration(d)
	}
	return m.act.order(fmt.Sprintf("door %s is open for %s", q.Door, q.Source), func(ctx context.Context) error {
		_, err := m.act.d.Open(ctx, q)
		return err
	})
}

func (m *model) askRevoke(cut bool) {
	g, ok := selectedOf(m, grants, m.grants())
	if !ok || m.list != grants {
		m.said.err = fmt.Errorf("select a grant: tab goes to the list of those who are in")
		return
	}
	q, what := control.RevokeRequest{Door: g.Door, Source: g.Source, Cut: cut}, ""
	if cut {
		what = ", and cut its connections"
	}
	m.input = &prompt{yes: true, question: fmt.Sprintf("close door %s for %s%s?", g.Door, g.For(), what), then: func(m *model, _ string) tea.Cmd {
		return m.act.order(fmt.Sprintf("door %s is closed for %s", g.Door, g.For()), func(ctx context.Context) error {
			_, err := m.act.d.Revoke(ctx, q)
			return err
		})
	}}
}

func (m *model) askBan() {
	source := m.source()
	if !source.IsValid() {
		m.said.err = fmt.Errorf("select something with an address")
		return
	}
	m.input = &prompt{yes: true, question: fmt.Sprintf("ban %s? anyone can write that address into a knock", source), then: func(m *model, _ string) tea.Cmd {
		return m.act.order(fmt.Sprintf("%s is banned", source), func(ctx context.Context) error {
			_, err := m.act.d.Ban(ctx, control.BanRequest{Source: source})
			return err
		})
	}}
}

func (m *model) askAcknowledge() {
	f, ok := selectedOf(m, findings, m.findings())
	if !ok || m.list != findings {
		m.said.err = fmt.Errorf("select a finding: tab goes to the list of them")
		return
	}
	m.input = &prompt{yes: true, question: fmt.Sprintf("acknowledge %s (%s)?", inert.Text(f.ID), inert.Text(f.Rule)), then: func(m *model, _ string) tea.Cmd {
		return m.act.order("finding "+inert.Text(f.ID)+" is acknowledged", func(ctx context.Context) error {
			_, err := m.act.d.Acknowledge(ctx, control.AckRequest{ID: f.ID})
			return err
		})
	}}
}
