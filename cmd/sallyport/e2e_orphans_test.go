//go:build linux && !client_only

package main

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

// Someone who is no client any more, or has another key, has no door open, whether
// the daemon was told by a reload or by a start; everybody else keeps his.
func TestGrantsEndWithTheirProof(t *testing.T) {
	for name, again := range map[string]func(*spaWorld){
		"reload":  func(w *spaWorld) { w.must(w.Gate, "reload", "-c", w.config) },
		"restart": func(w *spaWorld) { w.kill(); w.start() },
	} {
		for what, with := range map[string]func() string{
			"client":  func() string { return "" },
			"key":     func() string { return fmt.Sprintf("key   = %q\n", newProver(t).authorized()) },
			"nothing": nil,
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				w := newSPAWorld(t, "")
				door := at(w.Client, 22)
				w.closed(w.Client, "tcp", door)
				w.opensFor(w.Client, w.Client.Gate4)
				w.open(w.Client, "tcp", door)
				if with == nil {
					again(w)
					w.eventually("the grant is in the book again", func() bool { g := w.status().Grants; return len(g) == 1 && g[0].Client == "alice" })
					w.open(w.Client, "tcp", door)
					return
				}
				of := map[string]*regexp.Regexp{"client": regexp.MustCompile(`\[\[client\]\]\n(.+\n)+`), "key": regexp.MustCompile(`key   = .+\n`)}[what]
				text, err := os.ReadFile(w.config)
				if err == nil {
					err = os.WriteFile(w.config, of.ReplaceAll(text, []byte(with())), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				again(w)
				w.closes(w.Client, "tcp", door)
				if grants := w.status().Grants; len(grants) != 0 {
					t.Errorf("grants: %+v", grants)
				}
			})
		}
	}
}
