package lint

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sallyport/internal/config"
)

const configPath = "/etc/sallyport/sallyport.toml"

// today is when the examples are looked at.
var today = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func load(t testing.TB, e Example) *config.Config {
	t.Helper()
	fsys := fstest.MapFS{configPath[1:]: {Data: []byte(e.Config), Mode: 0o600}}
	for name, text := range e.Files {
		fsys[name[1:]] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	cfg, err := config.Load(fsys, configPath)
	if err != nil {
		t.Fatalf("%v\n%s", err, e.Config)
	}
	return cfg
}

// breaks returns the problems of one rule with an example.
func breaks(t testing.TB, rule string, e Example) []Problem {
	t.Helper()
	return slices.DeleteFunc(Check(load(t, e), e.Host, today), func(p Problem) bool { return p.Rule != rule })
}

func TestExamplesOfRules(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			bad := breaks(t, r.Name, r.Bad)
			if len(bad) == 0 {
				t.Errorf("the bad example breaks no rule")
			}
			for _, p := range bad {
				if p.Text == "" || p.Remedy == "" || p.Place.File == "" || !slices.Contains(Severities, p.Severity) || p.Group != r.Group {
					t.Errorf("problem %+v", p)
				}
			}
			if good := breaks(t, r.Name, r.Good); len(good) != 0 {
				t.Errorf("the good example breaks it: %v", good)
			}
		})
	}
}

// The good examples that let someone in are good all round.
func TestRulesAreWrittenDown(t *testing.T) {
	var groups []Group
	seen := make(map[string]bool)
	for _, r := range Rules() {
		if seen[r.Name] || strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("rule %q", r.Name)
		}
		seen[r.Name] = true
		if r.Summary == "" || strings.HasSuffix(r.Summary, ".") || !strings.HasSuffix(r.Why, ".") && !strings.HasSuffix(r.Why, ")") || strings.HasSuffix(r.Remedy, ".") {
			t.Errorf("%s: %q, %q, %q", r.Name, r.Summary, r.Why, r.Remedy)
		}
		if len(groups) == 0 || groups[len(groups)-1] != r.Group {
			groups = append(groups, r.Group)
		}
	}
	if want := []Group{Works, Sequences, Access, Host, Care}; !slices.Equal(groups, want) {
		t.Errorf("groups %q, want %q", groups, want)
	}
}

var update = flag.Bool("update", false, "write docs/LINT.md")

const (
	pageFile = "../../docs/LINT.md"
	headFile = "testdata/head.md"
)

func TestPage(t *testing.T) {
	head, err := os.ReadFile(headFile)
	if err != nil {
		t.Fatal(err)
	}
	want := Page(string(head))
	if *update {
		if err := os.WriteFile(pageFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the rules say: go generate ./internal/lint", pageFile)
	}
}

// Who knocks at a gate of a fleet stands in the roll.
func TestDoorsOfFleetHaveWaysIn(t *testing.T) {
	fleet := "[gate]\nname = \"berlin\"\n\n[fleet]\nendpoints = [\"127.0.0.1:2379\"]\n\n"
	if found := breaks(t, "no-way-in", Example{Config: spaPort + fleet + sshDoor}); len(found) != 0 {
		t.Errorf("a door that clients of the fleet may open: %v", found)
	}
	if found := breaks(t, "no-way-in", Example{Config: spaPort + sshDoor}); len(found) == 0 {
		t.Error("without a fleet nobody can open it, and that is not said")
	}
}
