//go:build linux

package guide

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/lab/labtest"
	"sallyport/internal/lang"
)

// On phones and on screens nothing of a guideline overflows, is cut off or is squeezed to a
// letter a line, in either language.
func TestPageInABrowser(t *testing.T) {
	pages := make(map[string]string)
	for name := range configurations {
		for _, l := range []lang.Lang{lang.English, lang.Japanese} {
			_, page := render(t, New(subject(t, name, l)))
			pages[name+"-"+l.Tag()] = page
			if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+"-"+l.Tag()+".html"), []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, fault := range labtest.Measured(t, pages) {
		t.Error(fault)
	}
}
