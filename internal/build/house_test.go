package build

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rooms of the house. A package that is in none of them fails the test:
// decide what it is before anything depends on it.
var rooms = map[string][]string{
	"pure": {"internal/packet", "internal/event", "internal/sequence", "internal/key", "internal/spa", "internal/sshauth", "internal/fwknop",
		"internal/replay", "internal/unit", "internal/spent", "internal/limit", "internal/config", "internal/gate", "internal/report",
		"internal/detect", "internal/siem", "internal/convert", "internal/lint"},
	"edge": {"internal/capture", "internal/firewall", "internal/conntrack", "internal/netstate", "internal/control",
		"internal/ack", "internal/keyfile", "internal/replay/disk", "internal/sender", "internal/hook", "internal/metrics", "internal/webhook", "internal/sshlog", "internal/geo", "internal/decoy", "internal/moat", "internal/lab", "internal/lab/labtest", "internal/inspect", "internal/journal", "internal/journald"},
	"wiring": {"internal/grant", "internal/daemon", "internal/build", "internal/drill", "cmd/sallyport"},
	"public": {"client"},
}

// What a room may import of the project, beside what is listed in extra.
var allowed = map[string][]string{
	"pure":   {"pure"},
	"edge":   {"pure"},
	"wiring": {"pure", "edge", "wiring", "public"},
	"public": {"pure"},
}

// Exceptions, each with its reason.
var extra = map[string][]string{
	"internal/lab/labtest": {"internal/lab"},    // the lab, for tests
	"client":               {"internal/sender"}, // rotating sequences are sent as any others
}

// Pure packages import the standard library, golang.org/x/crypto and:
var libraries = map[string][]string{
	"internal/config": {"github.com/pelletier/go-toml/v2"}, // reading TOML with line numbers is not ours to write
	"internal/spa":    {"github.com/dchest/siphash"},
	"internal/limit":  {"github.com/dchest/siphash"},
}

// The outside world, which pure packages do not touch. io/fs is an interface.
var outside = []string{"os", "os/exec", "os/signal", "net", "net/http", "log", "log/slog", "syscall", "golang.org/x/sys/unix"}

// log/slog in package key only keeps secrets out of logs.
var outsideExceptions = map[string][]string{"internal/key": {"log/slog"}}

// Programs are run by these only.
var mayExec = regexp.MustCompile(`^(internal/lab|internal/drill|internal/hook/|cmd/sallyport/(cmd_demo|cmd_ssh|cmd_pair|initunit)[a-z_]*\.go)`)

const module = "sallyport/"

// file is a Go source file that is not a test.
type file struct {
	path, dir string // relative to the root
	*ast.File
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func sources(t *testing.T) []file {
	t.Helper()
	var list []file
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(top, path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || rel == "bench" || rel == "bin") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && rel != "." && err == nil {
			return filepath.SkipDir // another module
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		list = append(list, file{rel, filepath.Dir(rel), parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func roomOf(dir string) string {
	for room, list := range rooms {
		if slices.Contains(list, dir) {
			return room
		}
	}
	return ""
}

func TestImportDirections(t *testing.T) {
	for _, f := range sources(t) {
		room := roomOf(f.dir)
		if room == "" {
			t.Errorf("%s is in no room: add it to the table in this test", f.dir)
			continue
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if own, ok := strings.CutPrefix(path, module); ok {
				if !slices.Contains(allowed[room], roomOf(own)) && !slices.Contains(extra[f.dir], own) && own != f.dir {
					t.Errorf("%s (%s) imports %s (%s)", f.path, room, own, roomOf(own))
				}
				continue
			}
			if room == "pure" {
				checkPure(t, f, path)
			}
			if path == "os/exec" && !mayExec.MatchString(f.path) {
				t.Errorf("%s runs programs", f.path)
			}
		}
	}
}

func checkPure(t *testing.T, f file, path string) {
	t.Helper()
	if slices.Contains(outside, path) && !slices.Contains(outsideExceptions[f.dir], path) {
		t.Errorf("%s is pure and imports %s", f.path, path)
	}
	library := strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, "golang.org/x/crypto/")
	if library && !slices.ContainsFunc(libraries[f.dir], func(l string) bool { return path == l || strings.HasPrefix(path, l+"/") }) {
		t.Errorf("%s is pure and imports %s", f.path, path)
	}
}

// Pure packages have no clock and start no goroutines.
func TestPurePackagesAreCalm(t *testing.T) {
	for _, f := range sources(t) {
		if roomOf(f.dir) != "pure" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.path)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "Tick"}, n.Sel.Name) {
					t.Errorf("%s uses time.%s", f.path, n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := make(map[string]bool)
	for _, f := range sources(t) {
		documented[f.dir] = documented[f.dir] || f.Doc != nil && len(f.Doc.Text()) > 40
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// Every room exists, so that the table does not keep ghosts.
func TestNoGhosts(t *testing.T) {
	for _, list := range rooms {
		for _, dir := range list {
			if _, err := os.Stat(filepath.Join(root(t), dir)); err != nil {
				t.Errorf("%s is in the table and not there", dir)
			}
		}
	}
}

// Links between documents lead somewhere.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	top := root(t)
	documents, err := filepath.Glob(filepath.Join(top, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, more...) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", filepath.Base(document), m[1])
			}
		}
	}
}
