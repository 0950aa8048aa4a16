//go:build linux

package demo

import (
	"fmt"
	"io"
	"time"
)

// printer tells the story, coloured on a terminal.
type printer struct {
	w     io.Writer
	color bool
}

const (
	bold  = "1"
	green = "32"
	red   = "31"
	faint = "2"
)

func (p printer) paint(style, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (p printer) intro(d *story) {
	fmt.Fprintf(p.w, `Three hosts in network namespaces of their own, joined by cables that do not exist:

  client   %-13s ──┐
                         ├── gate, with a service on tcp/%d
  attacker %-13s ──┘

`, d.lab.Client.IP4, door, d.lab.Attacker.IP4)
}

func (p printer) title(n int, text string) {
	fmt.Fprintln(p.w, p.paint(bold, fmt.Sprintf("%d. %s", n, text)))
}

func (p printer) line(format string, args ...any) {
	fmt.Fprintln(p.w, "   "+fmt.Sprintf(format, args...))
}

func (p printer) kernel(format string, args ...any) {
	fmt.Fprintln(p.w, p.paint(faint, "   kernel: "+fmt.Sprintf(format, args...)))
}

func (p printer) failed(err error) {
	fmt.Fprintln(p.w, p.paint(red, "   this did not hold: "+err.Error()))
}

func (p printer) end(took time.Duration) {
	fmt.Fprintf(p.w, "\n%s in %.1f s. To guard a real host: README.md, \"Quick start\".\n", p.paint(green, "Everything held"), took.Seconds())
}
