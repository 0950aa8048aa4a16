//go:build mips || mipsle || mips64 || mips64le || ppc64

package journal

import (
	"path/filepath"
	"strings"
	"testing"
)

// Where there is no SQLite, that is what one reads, for writing and for reading.
func TestNoSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	_, err := openFile(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "no SQLite for the processor") {
		t.Errorf("writing: %v", err)
	}
	if _, err := OpenReader(path); err == nil || !strings.Contains(err.Error(), "no SQLite for the processor") {
		t.Errorf("reading: %v", err)
	}
}
