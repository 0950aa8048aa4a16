// Package sallyport_test keeps the house in order: which package may use which,
// what pure packages may do, and that the documents say what is there.
package sallyport_test

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
	"sync"
	"testing"
)

// What a room may import of the project, beside what is listed in extra.
var allowed = map[string][]string{
	"pure":   {"pure"},
	"edges":  {"pure"},
	"wiring": {"pure", "edges", "wiring", "public"},
	"public": {"pure"},
}

// Exceptions, each with its reason.
var extra = map[string][]string{
	"internal/lab/labtest": {"internal/lab"},     // the lab, for tests
	"internal/lab/browser": {"internal/lab"},     // browsers run on its hosts
	"internal/lab/etcd":    {"internal/lab"},     // its servers, too
	"internal/control":     {"internal/crowded"}, // a listener for others, bounded
	"internal/metrics":     {"internal/crowded"}, // the same
	"client":               {"internal/sender"},  // rotating sequences are sent as any others
}

// What edges and the public package may use too: the way to write a file is one, and so is
// what a user is called.
var shared = []string{"internal/atomicfile", "internal/account"}

// Pure packages import the standard library, golang.org/x/crypto and:
var libraries = map[string][]string{
	"internal/config":  {"github.com/pelletier/go-toml/v2"}, // reading TOML with line numbers is not ours to write
	"internal/spa":     {"github.com/dchest/siphash"},
	"internal/limit":   {"github.com/dchest/siphash"},
	"internal/manual":  {"github.com/spf13/cobra", "github.com/spf13/pflag"}, // whose commands it describes
	"internal/columns": {"github.com/mattn/go-runewidth"},                    // the tables of Unicode
}

// The outside world, which pure packages do not touch. io/fs is an interface.
var outside = []string{"os", "os/exec", "os/signal", "net", "net/http", "log", "log/slog", "syscall", "golang.org/x/sys/unix"}

// log/slog in package key only keeps secrets out of logs. What package weak reads is not
// in programs that are used.
var outsideExceptions = map[string][]string{"internal/key": {"log/slog"}, "internal/weak": {"os"}}

// Programs are run by these only.
var mayExec = regexp.MustCompile(`^(internal/lab|internal/served|internal/hook/|internal/setup/unit\.go|cmd/sallyport/(knock_keep|program|cmd_(demo|drill|ssh|run|watch|pair|config_edit|setup)[a-z_]*)\.go)`)

const module = "sallyport/"

// file is a Go source file.
type file struct {
	path, dir string
	*ast.File
}

// room is one line of the list in docs/ARCHITECTURE.md.
type room struct {
	dir, kind string
	place     int // in the list
}

// rooms reads the list of packages in docs/ARCHITECTURE.md, which is the only
// one: a package that is not there fails the tests, so decide what it is before
// anything depends on it.
var rooms = sync.OnceValue(func() map[string]room {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		panic(err)
	}
	_, list, _ := strings.Cut(string(text), "\n## Rooms")
	list, _, _ = strings.Cut(list, "\n## ")
	known := make(map[string]room)
	kind := ""
	for _, line := range strings.Split(list, "\n") {
		if m := kindLine.FindStringSubmatch(line); m != nil {
			kind = m[1]
		} else if m := roomLine.FindStringSubmatch(line); m != nil && kind != "" {
			dir := m[1]
			if dir != "client" && !strings.HasPrefix(dir, "cmd/") {
				dir = "internal/" + dir
			}
			known[dir] = room{dir, kind, len(known)}
		}
	}
	return known
})

var (
	kindLine = regexp.MustCompile(`^    (pure|edges|wiring|public)\b`)
	roomLine = regexp.MustCompile(`^      ([a-z][a-z0-9/]*)  +\S`)
)

// sources are the files of the programs, without tests.
func sources(t *testing.T) []file {
	t.Helper()
	return slices.DeleteFunc(parsed(t, func(path string) bool {
		_, err := os.Stat(filepath.Join(path, "go.mod")) // another module
		return path == "bench" || path == "test" || err == nil
	}), func(f file) bool { return strings.HasSuffix(f.path, "_test.go") })
}

// parsed reads the Go files of all folders but those to skip.
func parsed(t *testing.T, skip func(dir string) bool) []file {
	t.Helper()
	var list []file
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || path == "bin" || skip(path)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		list = append(list, file{path, filepath.Dir(path), parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestImportDirections(t *testing.T) {
	for _, f := range sources(t) {
		here, ok := rooms()[f.dir]
		if !ok {
			t.Errorf("%s is not in the list of docs/ARCHITECTURE.md", f.dir)
			continue
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if own, ok := strings.CutPrefix(path, module); ok {
				checkOwn(t, f, here, own)
				continue
			}
			if here.kind == "pure" {
				checkPure(t, f, path)
			}
			if path == "os/exec" && !mayExec.MatchString(f.path) {
				t.Errorf("%s runs programs", f.path)
			}
		}
	}
}

// checkOwn checks an import of a package of ours: its kind, and within a kind
// its place in the list.
func checkOwn(t *testing.T, f file, here room, own string) {
	t.Helper()
	there := rooms()[own]
	if slices.Contains(extra[f.dir], own) || here.kind != "pure" && slices.Contains(shared, own) {
		return
	}
	if !slices.Contains(allowed[here.kind], there.kind) {
		t.Errorf("%s (%s) imports %s (%s)", f.path, here.kind, own, there.kind)
	}
	if here.kind == there.kind && there.place > here.place {
		t.Errorf("%s imports %s, which stands below it in docs/ARCHITECTURE.md", f.path, own)
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
		if rooms()[f.dir].kind != "pure" {
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

// Every room exists, so that the list does not keep ghosts.
func TestNoGhosts(t *testing.T) {
	for dir := range rooms() {
		if files, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(files) == 0 {
			t.Errorf("%s is in the list of docs/ARCHITECTURE.md and not there", dir)
		}
	}
}

// Links between documents lead somewhere.
func TestLinksInDocuments(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	documents, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*.md")
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

// What users read is in plain English: these words are a translation's, or mean
// too much at once.
var foreign = regexp.MustCompile(`(?i)\b(whoever|somebody|anew|tells?|told)\b`)

// Literals that may have such a word: an example of a program's name.
var foreignAllowed = []string{"/usr/local/bin/tell"}

// spoken are the rooms whose words users read.
var spoken = []string{"cmd/sallyport", "client", "internal/config", "internal/convert", "internal/detect", "internal/event", "internal/lang", "internal/lint",
	"internal/manual", "internal/phrase", "internal/report", "internal/setup"}

func TestWordsOfUsers(t *testing.T) {
	check := func(where, text string) {
		for _, a := range foreignAllowed {
			text = strings.ReplaceAll(text, a, "")
		}
		if word := foreign.FindString(text); word != "" {
			t.Errorf("%s says %q: %.120q", where, word, text)
		}
	}
	literals := 0
	for _, f := range sources(t) {
		if !slices.Contains(spoken, f.dir) {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				literals++
				check(f.path, l.Value)
			}
			return true
		})
	}
	if literals < 3000 {
		t.Errorf("%d texts are looked at, want all", literals)
	}
	for _, path := range []string{"internal/config/reference.toml", "internal/report/page.html"} { // pages are made of these
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check(path, string(text))
	}
}

// Words that nothing has, be it a comment, a text of a program or test, or a document.
// They are listed beside better ones in CONTRIBUTING.md.
var unclear = regexp.MustCompile(`(?i)\b(whoever|somebody|anew|tells? whether)\b`)

func TestWordsOfEverything(t *testing.T) {
	check := func(where, text string) {
		if word := unclear.FindString(text); word != "" {
			t.Errorf("%s says %q: %.120q", where, word, text)
		}
	}
	files := parsed(t, func(string) bool { return false })
	for _, f := range files {
		for _, group := range f.Comments {
			check(f.path, group.Text())
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && f.path != "house_test.go" { // which has to name them
				check(f.path, l.Value)
			}
			return true
		})
	}
	documents, err := filepath.Glob("docs/*.md")
	if err != nil || len(documents) < 15 || len(files) < 900 {
		t.Fatalf("%d documents and %d files, %v", len(documents), len(files), err)
	}
	for _, path := range append(documents, "README.md", "SECURITY.md", "Makefile", "internal/unit/sallyport.service", "internal/config/reference.toml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			check(path, line)
		}
	}
}

// Every target that the Makefile names has a rule: make takes a phony target without
// one for done.
func TestMakefileDoesWhatItNames(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindStringSubmatch(string(text))
	if phony == nil || len(strings.Fields(phony[1])) < 20 {
		t.Fatalf(".PHONY: %q", phony)
	}
	for _, name := range strings.Fields(phony[1]) {
		if !regexp.MustCompile(`(?m)^` + name + `:.*\n\t`).Match(text) {
			t.Errorf("make %s does nothing", name)
		}
	}
}

// Other packages see little of the gate: it decides, and all else has the words of
// package event.
func TestGateIsSmall(t *testing.T) {
	const most = 15
	var names []string
	for _, f := range sources(t) {
		if f.dir != "internal/gate" {
			continue
		}
		for _, name := range topLevel(f.File) {
			if ast.IsExported(name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 || len(names) > most {
		t.Errorf("internal/gate exports %d names, want at most %d: %v", len(names), most, names)
	}
}
