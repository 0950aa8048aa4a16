//go:build linux

package drill

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"sallyport/internal/lang"
	"sallyport/internal/phrase"
)

var update = flag.Bool("update", false, "write the tables of docs/DRILL.md")

func catalogueTable() string {
	var b strings.Builder
	b.WriteString("| Attack | The attacker… | What must not happen | Finding, within | ATT&CK | |\n|---|---|---|---|---|---|\n")
	for _, a := range Catalogue() {
		if a.IPv6 { // each that is not simulated has one
			continue
		}
		does, not := a.Described(lang.English)
		finding := "-"
		if a.Rule != "" {
			finding = fmt.Sprintf("`%s`, %s", a.Rule, phrase.Duration(a.Within))
		}
		var notes []string
		for note, ok := range map[string]bool{"simulated": a.Simulated, "scaled": a.Scaled, "slow": a.Slow} {
			if ok {
				notes = append(notes, note)
			}
		}
		if a.Scaled && a.Slow {
			notes = []string{"scaled, slow"}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", a.ID, does, not, finding, a.Technique, strings.Join(notes, ", "))
	}
	return b.String()
}

func fieldsTable() string {
	var b strings.Builder
	b.WriteString("| Field | | Why |\n|---|---|---|\n")
	for _, f := range Fields() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Path, f.How, f.Why)
	}
	return b.String()
}

// The tables of the document are those of the program.
func TestDocument(t *testing.T) {
	const path = "../../docs/DRILL.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for mark, table := range map[string]string{"<!-- catalogue: go test ./internal/drill -run Document -update -->\n": catalogueTable(), "<!-- fields -->\n": fieldsTable()} {
		before, rest, ok := strings.Cut(want, mark)
		if !ok {
			t.Fatalf("docs/DRILL.md has no mark %q", mark)
		}
		after := ""
		if i := strings.Index(rest, "\n## "); i >= 0 {
			after = rest[i:]
		}
		want = before + mark + "\n" + table + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("the tables of docs/DRILL.md are not those of the program: go test ./internal/drill -run Document -update")
	}
}
