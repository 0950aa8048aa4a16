package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/term"
)

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
func askSecret(question string) ([]byte, error) {
	in, out, err := terminal()
	if err != nil {
		return nil, errNoTerminal
	}
	defer in.Close()
	if out != in {
		defer out.Close()
	}
	fmt.Fprint(out, question)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(out)
	return secret, err
}

// askPassphrase asks for the passphrase of a key file.
func askPassphrase(path string) ([]byte, error) {
	secret, err := askSecret(fmt.Sprintf("Passphrase of %s: ", path))
	if errors.Is(err, errNoTerminal) {
		return nil, hinted{err, "load the key into an ssh-agent: ssh-add " + path}
	}
	return secret, err
}

// askOnce remembers the answers for as long as the command runs.
func askOnce(ask func(string) ([]byte, error)) func(string) ([]byte, error) {
	known := map[string][]byte{}
	return func(path string) ([]byte, error) {
		if known[path] == nil {
			secret, err := ask(path)
			if err != nil {
				return nil, err
			}
			known[path] = secret
		}
		return bytes.Clone(known[path]), nil
	}
}
