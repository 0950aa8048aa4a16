//go:build linux

package inquiry

import (
	"context"
	"testing"
	"testing/synctest"

	"sallyport/internal/control"
)

// However many read the journal who may look, and however slowly, an administrator gets
// in; and who has waited in vain takes no room with him.
func TestReadersKeepNoAdministratorOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := New(Around{})
		asked := func(name string, rights control.Rights) context.Context {
			ctx, end := context.WithTimeout(control.As(t.Context(), name, rights), patience)
			t.Cleanup(end)
			return ctx
		}
		leave, err := i.enter(asked("eve", control.Viewer))
		if err != nil {
			t.Fatal(err)
		}
		for _, rights := range []control.Rights{control.Viewer, control.Actor, control.View} {
			if _, err := i.enter(asked("mallory", rights)); err == nil {
				t.Fatalf("%s: takes what is kept for administrators", rights)
			}
		}
		root, err := i.enter(asked("root", control.Administrator))
		if err != nil {
			t.Fatal("an administrator is kept out by who may look")
		}
		root()
		leave()
		for range 3 {
			if leave, err = i.enter(asked("eve", control.Viewer)); err != nil {
				t.Fatal("room was lost")
			}
			leave()
		}
	})
}
