package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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
		if err := keepOwner(dir, info); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.CreateTemp(dir, ".client-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()&0o640), f.Sync(), f.Close()); err == nil {
		err = keepOwner(f.Name(), info)
	}
	if err == nil {
		err = os.Link(f.Name(), file) // fails if it is there
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// replaceFile puts a new text in the place of one in a file, with its owner and
// mode, as a whole or not at all.
func replaceFile(path string, before, after []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rotate-*")
	if err != nil {
		return err
	}
	_, err = f.Write(after)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err == nil {
		err = keepOwner(f.Name(), info)
	}
	if now, unread := os.ReadFile(path); err == nil && (unread != nil || !bytes.Equal(now, before)) {
		err = errors.Join(unread, fmt.Errorf("%s has been changed by somebody else: try again", path))
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// writeWhole writes a file that only its owner may read, whole or not at all.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".sallyport-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

// tomlString writes a text as TOML does (basic strings).
func tomlString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoted(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, strconv.Quote(s))
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
