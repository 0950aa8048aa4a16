//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/control"
	"sallyport/internal/phrase"
)

// watchEvery is how often a watched status is refreshed.
const watchEvery = time.Second

// watchStatus shows the status again and again, in place on a terminal, where some
// keys are heard.
func watchStatus(ctx context.Context, std stdio, conn *control.Conn) error {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	page := &pager{out: std.out}
	var keys <-chan byte
	if std.asks() {
		defer unbuffered(std.in.(*os.File))()
		keys = pressed(std.in)
		page.keys = "q ends this, r looks again at once"
	}
	for {
		s, err := conn.Status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		page.show(func(w screen) { printStatus(w, s, time.Now()) })
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case key, ok := <-keys:
			switch {
			case !ok:
				keys = nil // no more are to come
			case key == 'q' || key == 'Q':
				page.leave()
				return nil
			case key == ' ':
				page.next()
			}
		}
	}
}

// unbuffered makes a terminal hand over each key at once, unseen, and returns what
// undoes that. Ctrl-C and Ctrl-Z work as always.
func unbuffered(f *os.File) (undo func()) {
	before, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {}
	}
	now := *before
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	set := func(t *unix.Termios) { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t) } // as it is, it can be used
	set(&now)
	return func() { set(before) }
}

// pressed yields the keys that are pressed, until the end of the program: reading
// cannot be interrupted.
func pressed(r io.Reader) <-chan byte {
	keys := make(chan byte)
	go func() {
		defer close(keys)
		for b := make([]byte, 1); ; {
			if n, err := r.Read(b); n == 0 || err != nil {
				return
			}
			keys <- b[0]
		}
	}()
	return keys
}

// pager shows pages in the place of the ones before.
type pager struct {
	screen // as large as it was last
	out    io.Writer
	keys   string // what can be pressed; empty: nothing
	from   int    // the first line to be seen
	after  int    // the first line that did not fit; 0: all did
}

// next goes to what did not fit; from the end, back to the top.
func (p *pager) next() { p.from = p.after }

// leave ends the line at the bottom, so that the shell begins one of its own.
func (p *pager) leave() { fmt.Fprintln(p) }

// show shows a page. What does not fit a terminal is left out, which is said.
func (p *pager) show(print func(screen)) {
	p.screen = screenOf(p.out) // its window may have changed
	var text strings.Builder
	print(p.on(&text))
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	if p.height == 0 {
		fmt.Fprintf(p, "%s\n\n", strings.Join(lines, "\n"))
		return
	}
	if p.from >= len(lines) {
		p.from = 0
	}
	shown := p.fit(lines[p.from:], p.height-1)
	foot := p.keys
	if p.after = p.from + shown; p.after == len(lines) && p.from == 0 {
		p.after = 0
	} else {
		foot = p.more(len(lines) - shown)
	}
	const clear = "\x1b[H\x1b[2J"
	fmt.Fprint(p, clear, strings.Join(append(lines[p.from:p.from+shown:p.from+shown], p.paint(faint, cut(foot, p.width-1))), "\n"))
}

// fit returns how many of the lines there is room for.
func (p *pager) fit(lines []string, rows int) (n int) {
	for n < len(lines) {
		if rows -= p.rows(lines[n]); rows < 0 {
			break
		}
		n++
	}
	return n
}

// more says that some lines are not to be seen, and what shows them.
func (p *pager) more(hidden int) string {
	left := phrase.Count(hidden, "line") + " more: "
	if p.keys == "" {
		return left + "see a larger window"
	}
	return left + "space; " + p.keys
}

// cut keeps a line of ASCII within a width.
func cut(line string, width int) string { return line[:min(len(line), max(width, 0))] }
