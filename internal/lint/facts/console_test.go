//go:build linux

package facts

import (
	"testing"
	"testing/fstest"
)

// What the console's file says is known, and so are its mistakes.
func TestConsole(t *testing.T) {
	const path = "/c.toml"
	read := func(text string) fstest.MapFS { return fstest.MapFS{"c.toml": {Data: []byte(text), Mode: 0o640}} }
	if c := console(fstest.MapFS{}, path); c != nil {
		t.Errorf("%+v", c)
	}
	if c := console(read("[console]\nsocket = \"/run/x\"\n"), path); c == nil || c.Socket != "/run/x" || c.Origin != "" || len(c.Mistakes) != 0 {
		t.Errorf("%+v", c)
	}
	if c := console(read("[console]\nport = 1\n"), path); c == nil || len(c.Mistakes) != 1 || c.Mistakes[0].Place.Line != 2 {
		t.Errorf("%+v", c)
	}
}
