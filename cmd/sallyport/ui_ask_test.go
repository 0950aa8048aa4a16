package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
)

func TestPassphraseIsAskedForOnce(t *testing.T) {
	var asked []string
	ask := askOnce(func(path string, try int) ([]byte, error) {
		asked = append(asked, fmt.Sprint(path, try))
		return fmt.Appendf(nil, "secret%d", try), nil
	})
	for _, q := range []struct {
		path string
		try  int
		want string
	}{{"a", 0, "secret0"}, {"b", 0, "secret0"}, {"a", 0, "secret0"}, {"a", 1, "secret1"}, {"a", 0, "secret1"}} {
		secret, err := ask(q.path, q.try)
		if err != nil || string(secret) != q.want {
			t.Errorf("%v: got %q, %v", q, secret, err)
		}
		clear(secret) // the caller may wipe it
	}
	if !slices.Equal(asked, []string{"a0", "b0", "a1"}) {
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
