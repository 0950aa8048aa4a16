//go:build linux && !client_only

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sallyport/internal/build"
	"sallyport/internal/columns"
	"sallyport/internal/event"
	"sallyport/internal/inert"
	"sallyport/internal/lang"
	"sallyport/internal/siem"
)

// kindColors are the colours of events. Every kind is here.
var kindColors = map[event.Kind]string{
	event.KindGrant: green, event.KindUse: green,
	event.KindRefusal: yellow, event.KindClock: yellow, event.KindOverload: yellow, event.KindRepair: yellow,
	event.KindFailure: red, event.KindFinding: red, event.KindBan: red,
	event.KindLogin: magenta, event.KindExpiry: faint, event.KindContacts: faint,
	event.KindRevocation: cyan, event.KindReload: cyan, event.KindKey: cyan, event.KindEnrolment: cyan, event.KindStart: cyan, event.KindStop: cyan, event.KindAck: cyan, event.KindDrill: cyan,
	event.KindAsked: magenta, event.KindAllowed: green, event.KindDeclined: yellow,
}

// eventLine is an event as a program reads it: every field is always there.
type eventLine struct {
	Time   time.Time    `json:"time"`
	Kind   event.Kind   `json:"kind"`
	Door   string       `json:"door"`
	Client string       `json:"client"`
	Source string       `json:"source"`
	Reason event.Reason `json:"reason"`
	Detail string       `json:"detail"`
	Count  uint64       `json:"count"` // packets that it stands for
}

func newEventLine(e event.Event) eventLine {
	line := eventLine{Time: e.Time, Kind: e.Kind, Door: e.Door, Client: e.Client, Reason: e.Reason, Detail: e.Detail, Count: max(e.Count.Packets, 1)}
	if e.Source.IsValid() {
		line.Source = e.Source.String()
	}
	return line
}

// eventPrinter prints events in columns that only ever get wider, so that a
// stream of any length stays aligned.
type eventPrinter struct {
	w       *bufio.Writer
	json    bool
	format  siem.Format // of a SIEM; "": none
	screen  screen
	widths  [6]int
	printed bool
}

func newEventPrinter(w io.Writer, json bool) eventPrinter {
	return eventPrinter{w: bufio.NewWriter(w), json: json, screen: screenOf(w), widths: [6]int{19, 10, 6, 8, 15, 14}}
}

// printFormat prints an event as a SIEM wants it.
func (p *eventPrinter) printFormat(e event.Event) error {
	host, _ := os.Hostname() // "" if the kernel does not tell
	line, err := siem.Append(nil, p.format, siem.Product{Version: build.Version(), Host: host}, e)
	if err != nil {
		return err
	}
	_, err = p.w.Write(append(line, '\n'))
	return err
}

// none reports whether a person has been shown nothing.
func (p *eventPrinter) none() bool { return !p.printed && !p.json && p.format == "" }

func (p *eventPrinter) flush() error { return p.w.Flush() }

func (p *eventPrinter) print(e event.Event) error {
	if p.format != "" {
		return p.printFormat(e)
	}
	line := newEventLine(e)
	if p.json {
		return printJSONLine(p.w, line)
	}
	if !p.printed {
		p.printed = true
		p.row(bold, [6]string{"TIME", "KIND", "DOOR", "CLIENT", "SOURCE", "REASON"}, "DETAIL")
	}
	p.row(kindColors[e.Kind], [6]string{e.Time.Local().Format(time.DateTime), inert.Text(string(e.Kind)), inert.Text(e.Door), inert.Text(e.Client),
		line.Source, inert.Text(string(e.Reason))}, inert.Text(e.Detail))
	return nil
}

func (p *eventPrinter) row(color string, cells [6]string, detail string) {
	var b strings.Builder
	for i, cell := range cells {
		n := columns.Width(cell)
		if n > p.widths[i] && n <= 40 {
			p.widths[i] = n
		}
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(p.widths[i]-n, 0)+2))
	}
	b.WriteString(detail)
	text := strings.TrimRight(b.String(), " ")
	fmt.Fprintln(p.w, p.screen.paint(color, text))
}

// timesIn writes "1 time", "2 times" in a language.
func timesIn(l lang.Lang, n uint64) string {
	if n == 1 {
		return l.Say("1 time")
	}
	return l.Sayf("%d times", n)
}

var errNoTime = errors.New("--since is not before --until: there is no time in between")
