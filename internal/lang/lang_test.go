package lang_test

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
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
	"sallyport/internal/report"
)

// said collects every text that is said in the language of the reader: what is
// handed to Say, Sayf, T and say in the source, words of tables, the page, the
// meanings of reasons and the advice of rules.
func said(t *testing.T) map[string]bool {
	t.Helper()
	texts := make(map[string]bool)
	for _, r := range report.Reasons() {
		x, _ := report.Explain(r)
		texts[x.Meaning], texts[x.Advice] = true, true
	}
	for _, s := range event.Severities() {
		texts[strings.ToUpper(string(s))] = true
	}
	page, err := os.ReadFile("../report/page.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\.T ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(page, -1) {
		text, err := strconv.Unquote(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		texts[text] = true
	}
	for _, dir := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				readTexts(t, path, texts)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	delete(texts, "")
	return texts
}

func readTexts(t *testing.T, path string, texts map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	take := func(e ast.Expr) {
		if text := literal(e); text != "" {
			texts[text] = true
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "say" {
				take(n.Args[0])
			}
			f, ok := n.Fun.(*ast.SelectorExpr)
			switch {
			case !ok || len(n.Args) == 0:
			case slices.Contains([]string{"Say", "Sayf", "T"}, f.Sel.Name):
				take(n.Args[0])
			case f.Sel.Name == "table" && strings.Contains(path, "/report/"):
				for _, head := range n.Args[0].(*ast.CompositeLit).Elts {
					take(head)
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "advice" && strings.Contains(path, "/detect/") {
				take(n.Value)
			} else if ok && (key.Name == "Does" && strings.Contains(path, "/drill/") || key.Name == "Name" && strings.Contains(path, "/detect/days/")) {
				take(n.Value) // attacks, and models of them
			}
		case *ast.ValueSpec: // constants that are said
			for i, name := range n.Names {
				if strings.HasPrefix(name.Name, "say") && i < len(n.Values) {
					take(n.Values[i])
				}
			}
		}
		return true
	})
}

// literal is the text of an expression, or nothing.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}

// Whatever is said is said in both languages, with the same values in it, and
// the table has nothing that is never said.
func TestEverythingIsSaidInBothLanguages(t *testing.T) {
	texts := said(t)
	if len(texts) < 200 {
		t.Fatalf("found only %d texts in the source", len(texts))
	}
	for english := range texts {
		japanese := lang.Japanese.Say(english)
		if japanese == english && !same[english] {
			t.Errorf("not in Japanese: %q", english)
		}
		if a, b := values(english), values(japanese); !slices.Equal(a, b) {
			t.Errorf("%q has the values %v, %q has %v", english, a, japanese, b)
		}
	}
	for _, english := range lang.Keys() {
		if !texts[english] {
			t.Errorf("never said: %q", english)
		}
	}
}

// same are texts that are the same in both languages.
var same = map[string]bool{}

var verb = regexp.MustCompile(`%(?:\[(\d)\])?([a-z])`)

// values lists the values of a format in their order, each with its verb.
func values(format string) []string {
	var list []string
	for i, m := range verb.FindAllStringSubmatch(format, -1) {
		place := strconv.Itoa(i + 1)
		if m[1] != "" {
			place = m[1]
		}
		list = append(list, place+m[2])
	}
	slices.Sort(list)
	return list
}

// Advice is given in polite sentences.
func TestJapaneseSentencesEnd(t *testing.T) {
	for _, r := range report.Reasons() {
		x, _ := report.Explain(r)
		if meaning := lang.Japanese.Say(x.Meaning); strings.HasSuffix(meaning, "。") {
			t.Errorf("reason %q: the meaning %q has an end", r, meaning)
		}
		if advice := lang.Japanese.Say(x.Advice); advice != "" && !strings.HasSuffix(advice, "。") {
			t.Errorf("reason %q: the advice %q is no sentence", r, advice)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		want                lang.Lang
	}{
		{"", "", "", lang.English},
		{"", "", "ja_JP.UTF-8", lang.Japanese},
		{"", "", "ja_JP.utf8", lang.Japanese},
		{"", "", "ja", lang.Japanese},
		{"", "", "ja_JP.UTF-8@x", lang.Japanese},
		{"", "", "ja_JP.eucJP", lang.English}, // would be garbled
		{"", "", "jam_JM.UTF-8", lang.English},
		{"C", "", "ja_JP.UTF-8", lang.English},
		{"", "ja_JP.UTF-8", "en_US.UTF-8", lang.Japanese},
		{"en_US.UTF-8", "ja_JP.UTF-8", "ja_JP.UTF-8", lang.English},
	} {
		got := lang.FromEnvironment(func(name string) string {
			return map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}[name]
		})
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestTime(t *testing.T) {
	friday := time.Date(2026, 11, 27, 9, 5, 7, 0, time.UTC)
	for layout, want := range map[string][2]string{
		lang.Second: {"2026-11-27 09:05:07", "2026-11-27 (金) 09:05:07"},
		lang.Whole:  {"2026-11-27", "2026-11-27 (金)"},
		lang.Minute: {"Fri 27 Nov 2026 09:05", "2026-11-27 (金) 09:05"},
		lang.Short:  {"27 Nov 09:05", "11-27 (金) 09:05"},
		lang.Day:    {"Fri 27", "27 (金)"},
		lang.Date:   {"27 Nov", "11-27"},
		lang.Hour:   {"09:05", "09:05"},
	} {
		if got := [2]string{lang.English.Time(friday, layout), lang.Japanese.Time(friday, layout)}; got != want {
			t.Errorf("%q: %q, want %q", layout, got, want)
		}
	}
}
