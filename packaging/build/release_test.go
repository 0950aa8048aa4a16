package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// All files of a release are the same when it is made again, and are in SHA256SUMS.
func TestReleaseTwice(t *testing.T) {
	long(t)
	list := []product{{target{"linux", runtime.GOARCH, ""}, true, true, []string{"x86_64"}}}
	s := testSource("1.0.0~rc1")
	var dirs [2]string
	var made [2][]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		var err error
		if made[i], err = s.release(context.Background(), dirs[i], list); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := os.ReadFile(filepath.Join(dirs[0], "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range made[0] {
		a, err := os.ReadFile(name)
		b, err2 := os.ReadFile(made[1][i])
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs the second time", filepath.Base(name))
		}
		if !strings.Contains(string(sums), "  "+filepath.Base(name)+"\n") {
			t.Errorf("SHA256SUMS lacks %s", filepath.Base(name))
		}
		switch {
		case strings.HasSuffix(name, "_oci.tar"):
			validImage(t, a)
		case strings.HasSuffix(name, ".cdx.json"):
			var b bom
			if err := json.Unmarshal(a, &b); err != nil || len(b.Components) < 5 {
				t.Errorf("%s: %v, %d components", filepath.Base(name), err, len(b.Components))
			}
		case strings.HasSuffix(name, ".tar.gz"):
			hasProgram(t, filepath.Base(name), a)
		}
	}
}

// validImage holds an OCI layout against its own digests.
func validImage(t *testing.T, text []byte) {
	t.Helper()
	dir := t.TempDir()
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, h.Name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := writeFile(name, func(w io.Writer) error { _, err := io.Copy(w, r); return err }); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
}

func hasProgram(t *testing.T, name string, text []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s has no program: %v", name, err)
		}
		if h.Name == strings.TrimSuffix(name, ".tar.gz")+"/sallyport" && h.Mode == 0o755 {
			return
		}
	}
}

func TestSectionOfChangelog(t *testing.T) {
	const log = "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.2.0 (2026-01-02)\n\n- old\n"
	for version, want := range map[string]string{
		"1.2.0":     "## 1.2.0 (2026-01-02)\n\n- old\n",
		"1.3.0~rc1": "## 1.3.0~rc1\n\n- new\n",
		"1.3.0":     "",
	} {
		if got, err := section(log, version); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
}
