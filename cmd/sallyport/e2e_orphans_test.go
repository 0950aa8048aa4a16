//go:build linux && !client_only

package main

import (
	"os"
	"regexp"
	"testing"
)

// Someone who is no client any more has no door open, whether the daemon was
// told by a reload or by a start.
func TestGrantsEndWithTheirClient(t *testing.T) {
	for name, again := range map[string]func(*spaWorld){
		"reload":  func(w *spaWorld) { w.must(w.Gate, "reload", "-c", w.config) },
		"restart": func(w *spaWorld) { w.kill(); w.start() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSPAWorld(t, "")
			door := at(w.Client, 22)
			edit := func(what *regexp.Regexp, with string) {
				text, err := os.ReadFile(w.config)
				if err == nil {
					err = os.WriteFile(w.config, what.ReplaceAll(text, []byte(with)), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			w.closed(w.Client, "tcp", door)
			w.opensFor(w.Client, w.Client.Gate4)
			w.open(w.Client, "tcp", door)

			edit(regexp.MustCompile(`\[\[client\]\]\n(.+\n)+`), "")
			again(w)
			w.closes(w.Client, "tcp", door)
			if grants := w.status().Grants; len(grants) != 0 {
				t.Errorf("grants: %+v", grants)
			}
		})
	}
}
