package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/ipk"
)

// maxClient is what the client alone may take: routers have little room.
const maxClient = 6_000_000

// release makes everything that a version consists of, for the products listed,
// and returns the names of the files.
func (s source) release(ctx context.Context, out string, list []product) (names []string, err error) {
	stage, err := os.MkdirTemp("", "sallyport-release-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	name, err := s.notes(out)
	if err != nil {
		return nil, err
	}
	names = append(names, name)
	for _, client := range []bool{false, true} {
		s.client = client
		made, err := s.flavour(ctx, filepath.Join(stage, s.name()), out, list)
		if err != nil {
			return nil, err
		}
		names = append(names, made...)
	}
	return names, sums(names, out)
}

// flavour makes what there is of the whole program, or of the client alone.
func (s source) flavour(ctx context.Context, stage, out string, list []product) (names []string, err error) {
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return nil, err
	}
	var libraries modules
	img := newImage(s)
	for _, p := range list {
		if !s.client && !p.server {
			continue
		}
		s.target = p.target
		made, err := s.product(ctx, stage, out, p)
		if err != nil {
			return nil, fmt.Errorf("make %s for %s: %w", s.name(), p, err)
		}
		names = append(names, made...)
		if err := libraries.read(filepath.Join(stage, "sallyport")); err != nil {
			return nil, err
		}
		if err := img.add(s, stage); !s.client && err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	name, err := libraries.write(s, out)
	if err != nil || s.client {
		return append(names, name), err
	}
	oci, err := img.write(out)
	return append(names, name, oci), err
}

// product makes the archive and the packages for one target.
func (s source) product(ctx context.Context, stage, out string, p product) (names []string, err error) {
	if err := s.fill(ctx, stage); err != nil {
		return nil, err
	}
	if err := s.check(ctx, filepath.Join(stage, "sallyport")); err != nil {
		return nil, err
	}
	name, err := s.archive(stage, out)
	if err != nil {
		return nil, err
	}
	names = append(names, name)
	if p.packages {
		for _, kind := range []string{"deb", "rpm"} {
			if name, err = s.pack(kind, stage, out); err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	for _, arch := range p.openwrt {
		if name, err = s.write("ipk", s.openwrt(arch, stage), out); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// openwrt describes a package for OpenWrt's opkg: the program, and for the
// server how it is started.
func (s source) openwrt(arch, stage string) *nfpm.Info {
	info := s.info("ipk", stage)
	info.IPK.Arch = arch
	info.Scripts, info.Depends, info.Recommends, info.Suggests = nfpm.Scripts{}, nil, nil, nil
	info.Contents = s.minimal(stage)
	return info
}
