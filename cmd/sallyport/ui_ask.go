package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asks tells whether there is somebody to talk with.
func (std stdio) asks() bool {
	in, ok := std.in.(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && isTerminal(std.out)
}

// errLeft is the answer of who goes away.
var errLeft = hinted{errors.New("left without an answer"), "nothing was written"}

// dialog asks questions on a terminal.
type dialog struct {
	ctx   context.Context
	out   io.Writer
	lines <-chan string
	bold  func(string) string
}

// newDialog begins to read lines. The reader cannot be interrupted, so it ends
// with the program.
func newDialog(ctx context.Context, std stdio) dialog {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(std.in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	bold := func(s string) string { return s }
	if colored(std.out) {
		bold = func(s string) string { return "\x1b[1m" + s + "\x1b[0m" }
	}
	return dialog{ctx, std.out, lines, bold}
}

// ask asks until parse likes the answer. An empty answer means preset.
func (d dialog) ask(question, preset string, parse func(string) error) error {
	for {
		fmt.Fprintf(d.out, "%s %s: ", d.bold(question), preset)
		select {
		case <-d.ctx.Done():
			fmt.Fprintln(d.out)
			return errLeft
		case line, ok := <-d.lines:
			if !ok {
				fmt.Fprintln(d.out)
				return errLeft
			}
			err := parse(strings.TrimSpace(line))
			if err == nil {
				return nil
			}
			fmt.Fprintf(d.out, "  %v\n", err)
		}
	}
}

// yes asks a question that has two answers.
func (d dialog) yes(question string, preset bool) (answer bool, err error) {
	shown := "[y/N]"
	if preset {
		shown = "[Y/n]"
	}
	err = d.ask(question, shown, func(text string) error {
		switch strings.ToLower(text) {
		case "":
			answer = preset
		case "y", "yes":
			answer = true
		case "n", "no":
			answer = false
		default:
			return errors.New("yes or no?")
		}
		return nil
	})
	return answer, err
}
