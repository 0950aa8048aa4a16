package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/event"
)

// reasonsInSource reads the constants of type gate.Reason where they are
// declared.
func reasonsInSource(t *testing.T) map[event.Reason]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../event/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[event.Reason]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all[event.Reason(text)] = true
		}
		return true
	})
	return all
}

func TestEveryReasonIsExplained(t *testing.T) {
	all := reasonsInSource(t)
	if len(all) < 25 {
		t.Fatalf("found only %d reasons in the source", len(all))
	}
	for r := range all {
		e, ok := Explain(r)
		if !ok {
			t.Errorf("reason %q is not explained", r)
			continue
		}
		if strings.HasPrefix(string(r), " ") || e.Meaning == "" || strings.HasSuffix(e.Meaning, ".") {
			t.Errorf("reason %q: meaning %q", r, e.Meaning)
		}
		if e.Advice != "" && !strings.HasSuffix(e.Advice, ".") {
			t.Errorf("reason %q: advice %q is no sentence", r, e.Advice)
		}
	}
	for _, r := range Reasons() {
		if !all[r] {
			t.Errorf("%q is explained and no reason", r)
		}
	}
}
