package event

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// constants returns the values of all constants of a type in a file.
func constants(t *testing.T, name, typ string) (values []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			values = append(values, text)
		}
		return true
	})
	return values
}

func TestKindsAreComplete(t *testing.T) {
	var listed []string
	for _, k := range Kinds() {
		listed = append(listed, string(k))
	}
	if all := constants(t, "event.go", "Kind"); len(all) < 10 || !slices.Equal(all, listed) {
		t.Errorf("Kinds() has %q, declared are %q", listed, all)
	}
}

func TestSeveritiesAreComplete(t *testing.T) {
	var listed []string
	for _, s := range Severities() {
		listed = append(listed, string(s))
	}
	if all := constants(t, "finding.go", "Severity"); !slices.Equal(all, listed) {
		t.Errorf("Severities() has %q, declared are %q", listed, all)
	}
}

func TestAtLeast(t *testing.T) {
	if !High.AtLeast(Medium) || !High.AtLeast(High) || High.AtLeast(Critical) {
		t.Error("the severities are out of order")
	}
	if Severity("grave").AtLeast(Info) {
		t.Error("what is no severity is at least info")
	}
}
