package kept

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/fleet/roll"
)

func TestKeyAndPin(t *testing.T) {
	f := Of(t.TempDir())
	if _, err := f.Key(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	made, err := f.MakeKey()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Key(); err != nil || !got.Equal(made) {
		t.Errorf("%v", err)
	}
	pin := roll.Head{Number: 418, Hash: roll.Hash{7}}
	if err := f.SetPin(pin); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Pin(); err != nil || got != pin {
		t.Errorf("%v %v", got, err)
	}
	info, err := os.Stat(filepath.Join(string(f), keyName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for _, bad := range []string{"", "418\n", "418 SHA256:x\n", "0418 " + pin.Hash.String() + "\n", pinText(pin) + "\n"} {
		if err := os.WriteFile(filepath.Join(string(f), pinName), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Pin(); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

// What is sealed is read by the same gate from the same file alone, and a new invitation
// forgets it.
func TestSeal(t *testing.T) {
	f := Of(t.TempDir())
	gate, err := f.MakeKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Seal(gate, KnownName, []byte("what was known")); err != nil {
		t.Fatal(err)
	}
	if text, err := f.Open(gate, KnownName); err != nil || string(text) != "what was known" {
		t.Errorf("%q %v", text, err)
	}
	if err := os.Rename(f.path(KnownName), f.path(QueueName)); err != nil {
		t.Fatal(err)
	}
	if text, err := f.Open(gate, QueueName); err == nil {
		t.Errorf("another file's: %q", text)
	}
	if err := f.Seal(gate, KnownName, []byte("what was known")); err != nil {
		t.Fatal(err)
	}
	other, err := f.MakeKey()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := f.Open(other, KnownName); err == nil {
		t.Errorf("another gate's: %q", text)
	}
	if err := f.SetPin(roll.Head{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(gate, KnownName); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after an invitation: %v", err)
	}
}

// The next key is made once, and signs nothing before it has taken its place.
func TestNextKey(t *testing.T) {
	f := Of(t.TempDir())
	old, err := f.MakeKey()
	if err != nil {
		t.Fatal(err)
	}
	next, err := f.NextKey()
	again, err2 := f.NextKey()
	if err := errors.Join(err, err2); err != nil || !next.Equal(again) || next.Equal(old) {
		t.Fatalf("the next key: %v", err)
	}
	if k, err := f.Key(); err != nil || !k.Equal(old) {
		t.Errorf("it is in use at once: %v", err)
	}
	if err := f.TakeNextKey(); err != nil {
		t.Fatal(err)
	}
	if k, err := f.Key(); err != nil || !k.Equal(next) {
		t.Errorf("it has not taken its place: %v", err)
	}
}
