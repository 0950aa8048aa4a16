//go:build unix

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// with sets the mode and content of one file of a tree.
func with(fsys fstest.MapFS, name string, mode fs.FileMode, data string) fstest.MapFS {
	fsys[strings.TrimPrefix(dir, "/")+name] = &fstest.MapFile{Data: []byte(data), Mode: mode}
	return fsys
}

func TestLoadRefusesFiles(t *testing.T) {
	secret := doors(door("a", "tcp/1", "tcp/9", "tcp/5"), door("b", "tcp/2", "tcp/9", "tcp/7"))
	for name, c := range map[string]struct {
		fsys fs.FS
		want string
	}{
		"no file":                {tree(), main + `: cannot be read: file does not exist`},
		"unreadable":             {denied{tree("sallyport.toml", "#"), "sallyport.toml"}, main + `: cannot be read: permission denied`},
		"unreadable conf.d":      {denied{tree("sallyport.toml", "#", "conf.d/a.toml", "#"), "conf.d"}, dir + `conf.d: cannot be read as a folder: permission denied`},
		"unreadable conf.d file": {denied{tree("sallyport.toml", "#", "conf.d/a.toml", "#"), "a.toml"}, dir + `conf.d/a.toml: cannot be read: permission denied`},
		"folder":                 {tree("sallyport.toml/x", ""), main + `: is a folder: want a file`},
		"folder in conf.d":       {tree("sallyport.toml", "#", "conf.d/a.toml/x", ""), dir + `conf.d/a.toml: is a folder: want a file`},
		"device":                 {with(tree(), "sallyport.toml", fs.ModeDevice|0o600, ""), main + `: is not a regular file`},
		"10 MB":                  {tree("sallyport.toml", strings.Repeat("#\n", 5_000_000)), main + `: has 10000000 bytes: want at most 1048576; doors and clients can be spread over files in conf.d`},
		"a secret for all":       {with(tree(), "sallyport.toml", 0o644, secret), main + `:1: door "a": a sequence is a secret, but everybody may use this file (mode 0644): run chmod o-rwx ` + main},
		"a secret in conf.d":     {with(tree("sallyport.toml", "#"), "conf.d/a.toml", 0o641, "\n"+secret), dir + `conf.d/a.toml:2: door "a": a sequence is a secret, but everybody may use this file (mode 0641): run chmod o-rwx ` + dir + `conf.d/a.toml`},
		"writable":               {with(tree(), "sallyport.toml", 0o642, "#"), main + `: everybody may change this file (mode 0642): run chmod o-w ` + main},
		"writable conf.d":        {with(tree("sallyport.toml", "#", "conf.d/a.toml", "x"), "conf.d", fs.ModeDir|0o777, ""), dir + `conf.d: everybody may add files to this folder (mode 0777): run chmod o-w ` + dir + `conf.d`},
		"set in two files":       {tree("sallyport.toml", "[gate]\nclosed='drop'", "conf.d/a.toml", "\ngate.closed='drop'"), dir + `conf.d/a.toml:2: "closed" is already set at ` + main + `:2`},
		"listed in two files":    {tree("sallyport.toml", "gate.trusted=[]", "conf.d/a.toml", "gate.trusted=[]"), dir + `conf.d/a.toml:1: "trusted" is already set at ` + main + `:1`},
		"door in two files":      {tree("sallyport.toml", "door=["+aDoor+"]", "conf.d/a.toml", "door=["+aDoor+"]"), dir + `conf.d/a.toml:1: door "ssh": already defined at ` + main + ":1\n" + dir + `conf.d/a.toml:1: door "ssh": ports: tcp/22 is a port of door "ssh" already, at ` + main + `:1`},
		"a table of two kinds":   {tree("sallyport.toml", "door=["+aDoor+"]", "conf.d/a.toml", "[door]"), dir + `conf.d/a.toml:1: "door" is already set at ` + main + `:1`},
		// Only what is certain is told where a file is missing.
		"broken, client elsewhere": {tree("sallyport.toml", "client=["+alice+"]", "conf.d/a.toml", "[[door"), dir + `conf.d/a.toml:1: is not valid TOML: expected ']]' to close array table name`},
		"each file by itself":      {tree("sallyport.toml", "x", "conf.d/a.toml", "y"), dir + "conf.d/a.toml:1: is not valid TOML: expected '=' after key\n" + main + ":1: is not valid TOML: expected '=' after key"},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, c.fsys, c.want) })
	}
}

func TestLoadRefusesRelativePath(t *testing.T) {
	const want = "sallyport.toml: is not an absolute path"
	if _, err := Load(tree("sallyport.toml", ""), "sallyport.toml"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestModesThatAreFine(t *testing.T) {
	for _, c := range []struct {
		mode fs.FileMode
		toml string
	}{
		{0o640, doors(door("a", "tcp/1", "tcp/9", "tcp/5"))},
		{0o600, doors(door("a", "tcp/1", "tcp/9", "tcp/5"))},
		{0o644, doors(aDoor)},
	} {
		if _, err := Load(with(tree(), "sallyport.toml", c.mode, c.toml), main); err != nil {
			t.Errorf("mode %04o: %v", c.mode, err)
		}
	}
}

func TestTotalIsBounded(t *testing.T) {
	fsys := tree("sallyport.toml", "#")
	comment := bytes.Repeat([]byte("#"), maxFile)
	for i := range maxTotal/maxFile + 1 {
		fsys[fmt.Sprintf("etc/sallyport/conf.d/%03d.toml", i)] = &fstest.MapFile{Data: comment}
	}
	refuses(t, fsys, dir+`conf.d/063.toml: all files together have more than 67108864 bytes`)
}

// A file that claims to be small, and is not.
func TestReadsNoMoreThanTheLimit(t *testing.T) {
	refuses(t, growing{tree("sallyport.toml", "")}, main+`: grew while it was read: want at most 1048576 bytes`)
}

func TestRealFiles(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	write := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("real", doors(aDoor))
	if err := errors.Join(os.Symlink("real", path("link.toml")), os.Mkdir(path("conf.d"), 0o700), syscall.Mkfifo(path("pipe.toml"), 0o600)); err != nil {
		t.Fatal(err)
	}
	write("conf.d/a.toml", "daemon.state_dir='/x'")

	c, err := Load(os.DirFS("/"), path("link.toml"))
	if err != nil || len(c.Doors) != 1 || c.Daemon.StateDir != "/x" {
		t.Errorf("through a symbolic link: %v, %+v", err, c)
	}
	for name, want := range map[string]string{
		"pipe.toml":  "is not a regular file",
		"none.toml":  "cannot be read: no such file or directory",
		"conf.d":     "is a folder: want a file",
		"real/x.tml": "cannot be read: not a directory\n" + path("real/conf.d") + ": cannot be read as a folder: not a directory",
	} {
		_, err := Load(os.DirFS("/"), path(name))
		if err == nil {
			t.Errorf("%s: loaded, want %q", name, want)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		wants := strings.Split(path(name)+": "+want, "\n")
		for _, w := range wants {
			if !strings.Contains(err.Error(), w) || len(lines) != len(wants) {
				t.Errorf("%s: error %q, want %q", name, err, w)
			}
		}
	}
	if err := errors.Join(os.Remove(path("conf.d/a.toml")), os.Symlink("nowhere", path("conf.d/a.toml"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(os.DirFS("/"), path("link.toml")); err == nil || !strings.HasSuffix(err.Error(), "conf.d/a.toml: cannot be read: no such file or directory") {
		t.Errorf("broken symbolic link: error %v", err)
	}
}

// denied lets nobody read the files of one name.
type denied struct {
	fstest.MapFS
	name string
}

func (d denied) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, d.name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}

func (d denied) ReadDir(name string) ([]fs.DirEntry, error) {
	if strings.HasSuffix(name, d.name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.ReadDir(name)
}

// growing has files without an end.
type growing struct{ fstest.MapFS }

func (g growing) Open(name string) (fs.File, error) {
	f, err := g.MapFS.Open(name)
	return endless{f}, err
}

type endless struct{ fs.File }

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '#'
	}
	return len(b), nil
}
