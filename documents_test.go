package sallyport_test

import (
	"os/exec"
	"testing"
)

// The documents are tested beside the packages that hold them, in a module of its
// own. What needs no machine is asked here as well, where a change of a document
// is noticed at once: that each block has its test, and each link its file.
func TestDocumentsOfThePackage(t *testing.T) {
	// Never from the cache: it does not see that a file outside of the module has changed.
	out, err := exec.Command("go", "-C", "packaging", "test", "-count=1", "./build", "-run", "Block|Links|Pictures").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
