package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fill makes, in stage, the files of a package that are not in the source: the
// program, manual pages, completions, the changelog and the licences.
func (s source) fill(ctx context.Context, stage string) error {
	if err := s.build(ctx, filepath.Join(stage, "sallyport")); err != nil {
		return err
	}
	epoch := "SOURCE_DATE_EPOCH=" + strconv.FormatInt(s.date.Unix(), 10)
	tags := "docs"
	if s.client {
		tags += ",client_only"
	}
	if _, err := s.command(ctx, []string{epoch}, "go", "run", "-tags", tags, "./cmd/sallyport", "docs", stage); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(stage, "man", "*.[1-9]"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("there are no manual pages in %s", stage)
	}
	for _, page := range pages {
		if err := compress(page, page+".gz"); err != nil {
			return err
		}
	}
	if err := compress(filepath.Join(s.root, "CHANGELOG.md"), filepath.Join(stage, "changelog.gz")); err != nil {
		return err
	}
	text, err := s.licences(ctx)
	if err != nil {
		return fmt.Errorf("gather licences: %w", err)
	}
	return os.WriteFile(filepath.Join(stage, "copyright"), text, 0o644)
}

// build builds the program.
func (s source) build(ctx context.Context, program string) error {
	flags := "-s -w -buildid= -X sallyport/internal/build.version=" + s.version
	if strings.HasPrefix(s.target.arch, "mips") {
		flags += " -R 16384" // routers have pages of 4 or 16 KiB; with room for those of 64, the file is up to 100 kB larger
	}
	build := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", program}
	mended := []string{}
	if s.client {
		build = append(build, "-tags=client_only", "-gcflags=all=-l") // without inlining it is a tenth smaller
		mended = append(mended, "client")
	}
	flag, err := s.command(ctx, s.env(), "scripts/mended", mended...)
	if err != nil {
		return err
	}
	build = append(build, strings.Fields(flag)...)
	_, err = s.command(ctx, s.env(), "go", append(build, "./cmd/sallyport")...)
	return err
}

// compress writes a file with gzip, without its name and time.
func compress(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(to, b.Bytes(), 0o644)
}

// licences returns the licences of the program and of every library that is
// linked into it, which those licences ask for.
func (s source) licences(ctx context.Context) ([]byte, error) {
	tags := ""
	if s.client {
		tags = "client_only"
	}
	list, err := s.command(ctx, s.env(), "go", "list", "-tags", tags, "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "./cmd/sallyport")
	if err != nil {
		return nil, err
	}
	goroot, err := s.output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	seen := make(map[string]bool)
	for _, line := range append(strings.Split(list, "\n"), "the Go standard library "+goroot) {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || seen[line] {
			continue
		}
		seen[line] = true
		if err := licence(&b, line[:i], line[i+1:]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// licence appends the licence of what is in a folder.
func licence(b *bytes.Buffer, name, dir string) error {
	found := false
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "NOTICE*"} {
		list, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range list {
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "== %s (%s)\n\n%s\n\n", name, filepath.Base(path), bytes.TrimSpace(text))
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, dir)
	}
	return nil
}
