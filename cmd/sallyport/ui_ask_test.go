package main

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"
)

func TestPassphraseIsAskedForOnce(t *testing.T) {
	var asked []string
	ask := askOnce(func(path string) ([]byte, error) { asked = append(asked, path); return []byte("secret"), nil })
	for _, path := range []string{"a", "b", "a"} {
		secret, err := ask(path)
		if err != nil || string(secret) != "secret" {
			t.Errorf("got %q, %v", secret, err)
		}
		clear(secret) // the caller may wipe it
	}
	if !slices.Equal(asked, []string{"a", "b"}) {
		t.Errorf("asked for %q", asked)
	}
}

// What is typed after an answer belongs to who reads next: another dialog, as in
// setup, or an editor.
func TestDialogReadsNoMoreThanAnAnswer(t *testing.T) {
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ask := func() (answer string) {
		err := newDialog(t.Context(), stdio{in: in, out: io.Discard}).ask("?", "", func(text string) error {
			if text == "no" {
				return errors.New("another one")
			}
			answer = text
			return nil
		})
		if err != nil {
			answer = err.Error()
		}
		return answer
	}
	if _, err := io.WriteString(typed, "no\none\n two \nthree"); err != nil {
		t.Fatal(err)
	}
	typed.Close()
	for _, want := range []string{"one", "two", "three", errLeft.Error()} {
		if got := ask(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if _, err := readLine(zeros{}); err == nil {
		t.Error("a line without end was read")
	}
}

// zeros is a line that never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
