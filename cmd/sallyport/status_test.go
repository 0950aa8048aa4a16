//go:build linux && !client_only

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/manual"
)

// Every command keeps to the exit statuses that are documented: 2 for a command
// line that is wrong, whatever the command, 0 for its help, 1 for what fails.
func TestExitStatuses(t *testing.T) {
	s := wrongWorld(t)
	expect := func(want int, words ...string) {
		t.Helper()
		if text, status := s.answers(words...); status != want {
			t.Errorf("sallyport %q: status %d, want %d\n%s", words, status, want, text)
		}
	}
	for _, cmd := range manual.Commands(newRoot(stdio{})) {
		words := strings.Fields(cmd.CommandPath())[1:]
		with := func(more ...string) []string { return slices.Concat(words, more) }
		expect(exitDone, with("--help")...)
		expect(exitUsage, with("--frobnicate")...)
		if n := len(least(cmd)); n > 0 {
			expect(exitUsage, with(slices.Repeat([]string{"x"}, n-1)...)...)
		}
	}
	none := filepath.Join(s.dir, "none.toml")
	for line, want := range map[string]int{
		"":                                                 exitDone,
		"version":                                          exitDone,
		"check --offline -c " + s.config:                   exitDone,
		"door list -c " + s.config:                         exitDone,
		"list":                                             exitDone,
		"frobnicate":                                       exitUsage,
		"client frobnicate":                                exitUsage,
		"status --json --watch -c " + s.config:             exitUsage,
		"check --severity worst -c " + s.config:            exitUsage,
		"open ssh --source x -c " + s.config:               exitUsage,
		"findings --rule x -c " + s.config:                 exitUsage,
		"events --kind x -c " + s.config:                   exitUsage,
		"revoke -c " + s.config:                            exitUsage,
		"client add x -c " + s.config:                      exitUsage,
		"check --offline -c " + none:                       exitFailed,
		"status -c " + s.config:                            exitFailed, // no daemon runs
		"open ssh --source 192.0.2.7 -c " + s.config:       exitFailed,
		"client remove x -c " + s.config:                   exitFailed,
		"door remove x -c " + s.config:                     exitFailed,
		"config get gate.nothing -c " + s.config:           exitFailed,
		"knock office":                                     exitFailed,
		"remove office":                                    exitFailed,
		"doctor office":                                    exitFailed,
		"run office -- true":                               exitFailed,
		"ssh office":                                       exitFailed,
		"add /dev/null/x":                                  exitFailed,
		"report -c " + s.config + " --html /dev/null/x":    exitFailed,
		"import knockd /dev/null/x":                        exitFailed,
		"knock office --ipv4 --ipv6":                       exitUsage,
		"knock office --for 10":                            exitUsage,
		"config set gate.policy everything -c " + s.config: exitFailed,
		"door rotate ssh -c " + s.config:                   exitFailed,
		"client add x --door ssh --key /dev/null/x -c " + s.config:              exitFailed,
		"client add x --door ssh --rotating --expires yesterday -c " + s.config: exitUsage,
		"client add x --door ssh --rotating --max-open often -c " + s.config:    exitUsage,
		"client add x --door ssh --rotating --from everywhere -c " + s.config:   exitUsage,
	} {
		expect(want, strings.Fields(line)...)
	}
}
