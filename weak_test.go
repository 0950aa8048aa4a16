package sallyport_test

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Where package weak is used.
var mayBeWeak = []string{"internal/firewall", "internal/gate", "internal/replay", "internal/spent"}

// No check can be left out of a program that anybody uses: what would do it are constants
// that are false, behind a tag by which nothing is built but for a test of the drill.
func TestNothingIsWeak(t *testing.T) {
	var constants, others int
	for _, f := range sources(t) {
		uses := slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"sallyport/internal/weak"` })
		if uses && !slices.Contains(mayBeWeak, f.dir) {
			t.Errorf("%s can leave checks out", f.path)
		}
		tagged := slices.ContainsFunc(f.Comments, func(c *ast.CommentGroup) bool {
			return slices.ContainsFunc(c.List, func(c *ast.Comment) bool {
				return strings.HasPrefix(c.Text, "//go:build") && strings.Contains(c.Text, "weakened")
			})
		})
		if tagged != (f.dir == "internal/weak") {
			t.Errorf("%s: depends on the tag: %v", f.path, tagged)
		}
		if filepath.Base(f.path) != "weak.go" {
			continue
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				others++
				continue
			}
			for _, s := range g.Specs {
				for _, v := range s.(*ast.ValueSpec).Values {
					if name, ok := v.(*ast.Ident); !ok || name.Name != "false" {
						t.Errorf("%s: %v is not false", f.path, s.(*ast.ValueSpec).Names)
					}
					constants++
				}
			}
		}
	}
	if constants < 5 || others > 0 {
		t.Errorf("%d constants, and %d other declarations", constants, others)
	}
	for _, root := range []string{"Makefile", "scripts", "packaging", ".github"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), "weakened") {
				t.Errorf("%s knows the tag", path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}
