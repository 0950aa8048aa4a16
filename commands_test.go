package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Parts of the name of a file that are no command of their own: those of a system,
// and of a command that needs more than one file.
var partOfCommand = regexp.MustCompile(`_(unix|windows|linux|none|ask|try)$`)

// commandOf names the command that a file belongs to, such as "client_add".
func commandOf(path string) (string, bool) {
	name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(path), ".go"), "cmd_")
	return partOfCommand.ReplaceAllString(name, ""), ok
}

// Commands that are made of others: setup asks as init does, then adds a client.
var madeOf = map[string][]string{"setup": {"init", "client_add"}}

// mayUse reports whether a file may use what belongs to a command: the command's own
// files, those of its subcommands, and the one that assembles it.
func mayUse(path, command, name string) bool {
	own, ok := commandOf(path)
	if own == command && ok || ok && strings.HasPrefix(own, command+"_") {
		return true
	}
	if slices.Contains(madeOf[own], command) {
		return true
	}
	assembled := strings.HasPrefix(name, "new") || strings.HasPrefix(name, "add")
	return assembled && (!ok || strings.HasPrefix(command, own+"_"))
}

// A file cmd_NAME.go belongs to its command: what several commands share lives in a
// file without that prefix, so that a command can be moved or removed by itself.
func TestCommandsShareNoHelpers(t *testing.T) {
	paths, err := filepath.Glob("cmd/sallyport/*.go")
	if err != nil {
		t.Fatal(err)
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.HasSuffix(p, "_test.go") })
	declared := make(map[string][]string) // files by name
	var files []file
	for _, path := range paths {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{path: path, File: parsed})
		for _, name := range topLevel(parsed) {
			declared[name] = append(declared[name], path)
		}
	}
	for _, f := range files {
		var named []string
		for _, used := range f.Unresolved { // what another file declares, or the language
			for _, owner := range declared[used.Name] {
				command, ok := commandOf(owner)
				if ok && !mayUse(f.path, command, used.Name) && !slices.Contains(named, used.Name) {
					named = append(named, used.Name)
					t.Errorf("%s uses %s, which belongs to the command in %s: move it to a file that both share", f.path, used.Name, owner)
				}
			}
		}
	}
}

// topLevel lists what a file declares for its package, without methods.
func topLevel(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}
