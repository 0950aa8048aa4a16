package main

import (
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
		clear(secret) // whoever has asked may wipe it
	}
	if !slices.Equal(asked, []string{"a", "b"}) {
		t.Errorf("asked for %q", asked)
	}
}
