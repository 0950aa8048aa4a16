package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := fileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}

// asks reports whether there is a person to ask.
func (std stdio) asks() bool { return isTerminal(std.in) && isTerminal(std.out) }

// errLeft is the answer of who goes away.
var errLeft = errors.New("left without an answer")

// nothingWritten is what most commands have done before they ask.
const nothingWritten = "nothing was written"

// dialog asks questions on a terminal. Between two questions it reads nothing:
// what is typed then is for another dialog, or for a program that is run.
type dialog struct {
	ctx  context.Context
	in   io.Reader
	out  screen
	left string // what becomes of it if nobody answers
}

func newDialog(ctx context.Context, std stdio) dialog {
	return dialog{ctx, std.in, screenOf(std.out), nothingWritten}
}

// ask asks until parse likes the answer. An empty answer means preset.
func (d dialog) ask(question, preset string, parse func(string) error) error {
	for {
		fmt.Fprintf(d.out, "%s %s: ", d.out.paint(bold, question), preset)
		line, ok := d.line()
		if !ok {
			fmt.Fprintln(d.out)
			return hinted{errLeft, d.left}
		}
		err := parse(strings.TrimSpace(line))
		if err == nil {
			return nil
		}
		fmt.Fprintf(d.out, "  %v\n", err)
	}
}

// line waits for a line, or for the end of the program: reading cannot be
// interrupted.
func (d dialog) line() (string, bool) {
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		if line, err := readLine(d.in); err == nil {
			lines <- line
		}
	}()
	select {
	case <-d.ctx.Done():
		return "", false
	case line, ok := <-lines:
		return line, ok
	}
}

// maxLine is more than the kernel takes on a line of a terminal (N_TTY_BUF_SIZE).
const maxLine = 4096

// readLine reads a line and nothing that comes after it.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) <= maxLine; {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		case err == io.EOF && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		}
	}
	return "", errors.New("the line is too long")
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

// terminal opens the terminal of the user for a question, even where standard
// input is something else, as in a ProxyCommand.
func terminal() (in, out *os.File, err error) {
	if runtime.GOOS != "windows" {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		return tty, tty, err
	}
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		in.Close()
	}
	return in, out, err
}

var errNoTerminal = errors.New("there is no terminal to ask on")

// askSecret asks for something that is not to be seen.
func askSecret(ctx context.Context, question string) ([]byte, error) {
	in, out, err := terminal()
	if err != nil {
		return nil, errNoTerminal
	}
	defer in.Close()
	if out != in {
		defer out.Close()
	}
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out)
	return readSecret(ctx, int(in.Fd()))
}

// readSecret reads a line that is not to be seen, until ctx ends: reading itself
// cannot be interrupted, so the terminal is put in order here.
func readSecret(ctx context.Context, terminal int) ([]byte, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, err
	}
	type answer struct {
		secret []byte
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		secret, err := term.ReadPassword(terminal)
		answers <- answer{secret, err}
	}()
	select {
	case <-ctx.Done():
		return nil, errors.Join(hinted{errLeft, nothingWritten}, term.Restore(terminal, before))
	case a := <-answers:
		return a.secret, a.err
	}
}

// askPassphrase asks for the passphrase of a key file; after a wrong answer it
// says that it was wrong.
func askPassphrase(ctx context.Context, path string, try int) ([]byte, error) {
	question := fmt.Sprintf("Passphrase of %s: ", path)
	if try > 0 {
		question = "That passphrase is wrong. " + question
	}
	secret, err := askSecret(ctx, question)
	if errors.Is(err, errNoTerminal) {
		return nil, hinted{err, "load the key into an ssh-agent: ssh-add " + path}
	}
	return secret, err
}

// askOnce remembers the answers for as long as the command runs, until one was
// wrong.
func askOnce(ask func(string, int) ([]byte, error)) func(string, int) ([]byte, error) {
	known := map[string][]byte{}
	return func(path string, try int) ([]byte, error) {
		if known[path] == nil || try > 0 {
			secret, err := ask(path, try)
			if err != nil {
				return nil, err
			}
			known[path] = secret
		}
		return bytes.Clone(known[path]), nil
	}
}
