package sallyport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Standard                bool
}

// Durations that people read are in our words, 10m and not 10m0s: phrase.Duration writes
// them. So no text is made of a time.Duration itself, which cannot be seen in a format.
func TestDurationsAreInOurWords(t *testing.T) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard", "./...").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	exports := make(map[string]string)
	var ours []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath != "sallyport/internal/phrase" && !strings.HasSuffix(p.ImportPath, "test") && strings.HasPrefix(p.ImportPath, "sallyport/internal/") || p.ImportPath == "sallyport/client" || p.ImportPath == "sallyport/cmd/sallyport" {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	compiled := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	looked := 0
	for _, p := range ours {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue), Uses: make(map[*ast.Ident]types.Object)}
		if _, err := (&types.Config{Importer: compiled}).Check(p.ImportPath, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !formats(info, call) {
					return true
				}
				looked++
				for _, arg := range call.Args {
					if tv := info.Types[arg]; tv.Type != nil && tv.Type.String() == "time.Duration" {
						t.Errorf("%s: a text is made of a time.Duration: use phrase.Duration", fset.Position(arg.Pos()))
					}
				}
				return true
			})
		}
	}
	if looked < 1000 {
		t.Errorf("%d calls are looked at", looked)
	}
}

// formats reports whether a call makes a text with a format.
func formats(info *types.Info, call *ast.CallExpr) bool {
	var id *ast.Ident
	switch f := call.Fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	}
	f, ok := info.Uses[id].(*types.Func)
	if !ok {
		return false
	}
	signature := f.Signature()
	if !signature.Variadic() || signature.Params().Len() < 2 {
		return false
	}
	format, isText := signature.Params().At(signature.Params().Len() - 2).Type().(*types.Basic)
	last, isList := signature.Params().At(signature.Params().Len() - 1).Type().(*types.Slice)
	return isText && format.Kind() == types.String && isList && types.IsInterface(last.Elem()) && !strings.HasPrefix(f.FullName(), "(*log/slog.") && f.Pkg().Path() != "log/slog"
}
