package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	from, to string
	mode     int64
}

// archive writes what anyone who has no package manager needs, in a folder of its
// own: the program, its documents, and how services of the server are started.
func (s source) archive(stage, out string) (name string, err error) {
	folder := s.name() + "_" + s.version + "_" + s.target.String()
	list, err := s.entries(stage)
	if err != nil {
		return "", err
	}
	name, write := filepath.Join(out, folder+".tar.gz"), writeTarGz
	if s.os == "windows" {
		name, write = filepath.Join(out, folder+".zip"), writeZip
	}
	for i := range list {
		list[i].to = path.Join(folder, list[i].to)
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.to, b.to) })
	return name, writeFile(name, func(w io.Writer) error { return write(w, list, s.date) })
}

// entries are the files of an archive.
func (s source) entries(stage string) (list []entry, err error) {
	program := "sallyport"
	if s.os == "windows" {
		program += ".exe"
	}
	list = append(list, entry{filepath.Join(stage, "sallyport"), program, 0o755})
	add := func(to, pattern string, mode int64) {
		files, e := filepath.Glob(pattern)
		if e == nil && len(files) == 0 {
			e = errors.New("there is no " + pattern)
		}
		err = errors.Join(err, e)
		for _, f := range files {
			list = append(list, entry{f, path.Join(to, filepath.Base(f)), mode})
		}
	}
	add("", filepath.Join(stage, "copyright"), 0o644)
	add("", filepath.Join(s.root, "docs", "CLIENT.md"), 0o644)
	if s.os != "windows" {
		add("man", filepath.Join(stage, "man", "*.[1-9].gz"), 0o644)
		add("completions", filepath.Join(stage, "completions", "*"), 0o644)
	}
	if !s.client {
		add("", filepath.Join(s.root, "docs", "OPERATIONS.md"), 0o644)
		add("", filepath.Join(s.root, "internal", "config", "reference.toml"), 0o644)
		add("service", filepath.Join(s.root, "packaging", "service", "*"), 0o755)
	}
	return list, err
}

// writeFile makes a file of what write writes.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func writeTarGz(w io.Writer, list []entry, date time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(writeTar(z, list, date), z.Close())
}

// writeTar writes files as root's, all of one time.
func writeTar(w io.Writer, list []entry, date time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range list {
		text, err := os.ReadFile(e.from)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: e.to, Mode: e.mode, Size: int64(len(text)), ModTime: date, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(text); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeZip(w io.Writer, list []entry, date time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range list {
		text, err := os.ReadFile(e.from)
		if err != nil {
			return err
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: e.to, Method: zip.Deflate, Modified: date})
		if err != nil {
			return err
		}
		if _, err := f.Write(text); err != nil {
			return err
		}
	}
	return z.Close()
}
