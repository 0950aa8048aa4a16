// Package model has docs/model/fleet.pml checked by spin, as it is and without each of
// the rules that it names.
package model

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab/labtest"
)

const source = "../../docs/model/fleet.pml"

// asserted is a word of what pan prints where an assertion of a property is violated.
var asserted = map[string]string{"once": "accepted", "bound": "since", "timely": "due"}

// The model holds, with nothing that ends in a short run and with all that may in a long one.
func TestFleetModelHolds(t *testing.T) {
	faults, least := "0", 50_000
	if labtest.Long() {
		faults, least = "1", 1_000_000
	}
	out := check(t, "FAULTS="+faults)
	if !strings.Contains(out, "errors: 0") {
		t.Errorf("the model does not hold:\n%s", out)
	}
	m := regexp.MustCompile(`(\d+) states, stored`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("pan says:\n%s", out)
	}
	if n, err := strconv.Atoi(m[1]); err != nil || n < least {
		t.Errorf("%d states (%v), want at least %d: not all of the model is looked at", n, err, least)
	}
}

// Each rule is needed: without it the property that the model names beside it is
// violated. What should happen can happen.
func TestFleetModelNeedsEachRule(t *testing.T) {
	if !labtest.Long() {
		t.Skip("it builds a dozen models: set SALLYPORT_LONG or SALLYPORT_REQUIRE")
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^     (once|bound|timely) +([A-Z_]+) `).FindAllStringSubmatch(string(text), -1)
	if len(rules) < 10 {
		t.Fatalf("the model names %d rules, want all", len(rules))
	}
	for _, rule := range append(rules, []string{"", "reached", "REACHED"}) {
		property, word := rule[1], rule[2]
		t.Run(word, func(t *testing.T) {
			if strings.Count(string(text), word) < 2 {
				t.Fatal("it is named and not used")
			}
			out := check(t, word)
			violated := regexp.MustCompile(`assertion violated (.*) \(at depth`).FindStringSubmatch(out)
			if violated == nil {
				t.Fatalf("nothing is violated:\n%s", out)
			}
			if property == "reached" && violated[1] != "0" || !strings.Contains(violated[1], asserted[property]) {
				t.Errorf("violated is %s, want %q", violated[1], property)
			}
		})
	}
}

// check builds the model with a word defined, looks at all of its states, and returns
// what pan prints.
func check(t *testing.T, define string) string {
	t.Helper()
	labtest.Need(t, "peers", "spin", "gcc")
	path, err := filepath.Abs(source)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run(t, dir, "spin", "-a", "-D"+define, path)
	run(t, dir, "gcc", "-O2", "-w", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE", "-DMEMLIM=1500", "-o", "pan", "pan.c")
	out := run(t, dir, filepath.Join(dir, "pan"), "-m100000", "-w22")
	for _, cut := range []string{"max search depth too small", "out of memory", "aborting"} {
		if strings.Contains(out, cut) {
			t.Fatalf("not all states are looked at:\n%s", out)
		}
	}
	return out
}

// run runs a program. It takes a minute at most, and much longer on a busy machine.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "Error:") {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}
