//go:build linux && !client_only

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/internal/atomicfile"
	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// writeBeside writes a new file that belongs to a configuration, with its owner
// and mode, as a whole or not at all.
func writeBeside(config, file string, text []byte) error {
	info, err := os.Stat(config)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.Mkdir(dir, 0o750); err == nil {
		if err := atomicfile.KeepOwner(dir, info); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.Create(file, text, atomicfile.Options{Mode: info.Mode().Perm() & 0o640, Like: info})
}

// replaceFile puts a new text in the place of one in a file, with its owner and
// mode, as a whole or not at all.
func replaceFile(path string, before, after []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	unchanged := func() error {
		now, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(now, before) {
			err = fmt.Errorf("%s was changed meanwhile: try again", path)
		}
		return err
	}
	return atomicfile.Replace(path, after, atomicfile.Options{Mode: info.Mode().Perm(), Like: info, Check: unchanged})
}

// writeHTML writes what a command makes into a file, as a whole or not at all; "-" is
// standard output.
func writeHTML(out io.Writer, path string, write func(io.Writer) error) error {
	if path == "-" {
		return write(out)
	}
	var page bytes.Buffer
	if err := write(&page); err != nil {
		return err
	}
	return advise(atomicfile.Replace(path, page.Bytes(), atomicfile.Options{}))
}

func quoted(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, config.Quote(s))
	}
	return strings.Join(words, ", ")
}

func tomlPorts(list []packet.Port) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return "[" + quoted(words) + "]"
}
