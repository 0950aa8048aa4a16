package journal

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The translated SQLite works with exactly the C library that it was translated
// with: its own go.mod names that, and a newer one may break it in silence.
func TestLibraryBelowSQLite(t *testing.T) {
	list := func(format, module string) string {
		out, err := exec.Command("go", "list", "-m", "-f", format, module).Output()
		if err != nil {
			t.Skipf("the go command cannot tell: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	mod, err := os.ReadFile(filepath.Join(list("{{.Dir}}", "modernc.org/sqlite"), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`modernc\.org/libc (v\S+)`).FindSubmatch(mod)
	if want == nil {
		t.Fatal("the go.mod of SQLite names no C library")
	}
	if have := list("{{.Version}}", "modernc.org/libc"); have != string(want[1]) {
		t.Errorf("modernc.org/libc is %s: want %s, as modernc.org/sqlite does (go get modernc.org/libc@%s)", have, want[1], want[1])
	}
}
