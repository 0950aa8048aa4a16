package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image is an index of one image for each processor, each of one layer: the
// program and its licences, nothing else.
type image struct {
	source source
	index  v1.ImageIndex
}

func newImage(s source) *image {
	return &image{s, mutate.IndexMediaType(empty.Index, types.OCIImageIndex)}
}

// imageAlone makes the image of one processor.
func (s source) imageAlone(ctx context.Context, out string) (err error) {
	stage, err := os.MkdirTemp("", "sallyport-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := s.fill(ctx, stage); err != nil {
		return err
	}
	m := newImage(s)
	if err := errors.Join(m.add(s, stage), os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	name, err := m.write(out)
	fmt.Println(name)
	return err
}

// add takes up the program of a stage. It is root's: a container gives its
// capabilities to no one else, and of root nothing is left but two of them.
func (m *image) add(s source, stage string) error {
	var b bytes.Buffer
	list := []entry{
		{filepath.Join(stage, "sallyport"), "usr/bin/sallyport", 0o755},
		{filepath.Join(stage, "copyright"), "usr/share/doc/sallyport/copyright", 0o644},
	}
	if err := writeTar(&b, list, s.date); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		return err
	}
	platform := v1.Platform{OS: s.os, Architecture: s.arch}
	if s.arch == "arm" {
		platform.Variant = "v" + s.variant
	}
	img, err = mutate.ConfigFile(img, s.imageConfig(img, platform))
	if err != nil {
		return err
	}
	m.index = mutate.AppendManifests(m.index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	return nil
}

func (s source) imageConfig(img v1.Image, p v1.Platform) *v1.ConfigFile {
	file := &v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Created: v1.Time{Time: s.date}}
	if now, err := img.ConfigFile(); err == nil {
		file.RootFS = now.RootFS
	}
	file.History = []v1.History{{Created: v1.Time{Time: s.date}, CreatedBy: "sallyport " + s.version}}
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/sallyport"},
		Cmd:        []string{"serve"},
		Env:        []string{"PATH=/usr/bin"},
		Labels:     map[string]string{"org.opencontainers.image.version": s.version, "org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return file
}

// write writes an OCI layout as one file, as podman and skopeo read it
// (oci-archive), and docker from version 25.
func (m *image) write(out string) (name string, err error) {
	dir, err := os.MkdirTemp("", "sallyport-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return "", err
	}
	err = path.AppendIndex(m.index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": m.source.version}))
	if err != nil {
		return "", err
	}
	var list []entry
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var to string
			to, err = filepath.Rel(dir, p)
			list = append(list, entry{p, filepath.ToSlash(to), 0o644})
		}
		return err
	})
	if err != nil {
		return "", err
	}
	name = filepath.Join(out, "sallyport_"+m.source.version+"_oci.tar")
	return name, writeFile(name, func(w io.Writer) error { return writeTar(w, list, m.source.date) })
}
