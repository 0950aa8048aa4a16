// Command build makes the Debian and the RPM package, or with -release everything
// that a version consists of, for every system. The same source gives
// the same bytes: all times are that of the commit, or SOURCE_DATE_EPOCH.
//
// It is a module of its own, so that what it takes to build packages is no
// dependency of the program that is in them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	var (
		root    = flag.String("root", "..", "`FOLDER` of the source")
		out     = flag.String("out", "../dist", "`FOLDER` for the packages")
		arch    = flag.String("arch", runtime.GOARCH, "processor, in Go's `WORD`")
		version = flag.String("version", "", "`VERSION` (default: from the last tag)")
		all     = flag.Bool("release", false, "everything of a release, or what is for the targets named as arguments, such as linux_mips")
		clients = flag.String("clients", "", "`FOLDER` for the clients alone, of all targets or of those named as arguments, and nothing else")
		image   = flag.String("image", "", "`FOLDER` for the OCI image of this processor, and nothing else")
		sizes   = flag.Bool("sizes", false, "write the sizes of the clients into docs/CLIENT.md, and nothing else")
	)
	flag.Parse()
	s, err := newSource(context.Background(), *root, *arch, *version)
	switch {
	case err != nil:
	case *clients != "":
		err = s.clients(context.Background(), *clients, named(flag.Args()))
	case *image != "":
		err = s.imageAlone(context.Background(), *image)
	case *sizes:
		err = s.sizes(context.Background(), products)
	default:
		err = run(context.Background(), s, *out, *all, flag.Args())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "build packages: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s source, out string, all bool, targets []string) error {
	make := s.packages
	if all {
		make = func(ctx context.Context, out string) ([]string, error) { return s.release(ctx, out, named(targets)) }
	}
	names, err := make(ctx, out)
	for _, name := range names {
		fmt.Println(name)
	}
	return err
}

// source is what packages are made of.
type source struct {
	root    string // of the source tree
	version string // such as 1.2.3
	date    time.Time
	target
	client bool // the client alone
}

// name is that of the package.
func (s source) name() string {
	if s.client {
		return "sallyport-client"
	}
	return "sallyport"
}

// newSource asks git what it is not told.
func newSource(ctx context.Context, root, arch, version string) (source, error) {
	s := source{root: root, version: version, target: target{os: "linux", arch: arch}}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		var err error
		if epoch, err = s.output(ctx, "git", "log", "-1", "--format=%ct"); err != nil {
			return s, fmt.Errorf("find the time of the source (or set SOURCE_DATE_EPOCH): %w", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return s, fmt.Errorf("SOURCE_DATE_EPOCH is %q, want seconds since 1970", epoch)
	}
	s.date = time.Unix(seconds, 0).UTC()
	if version == "" {
		if version, err = s.output(ctx, "git", "describe", "--tags", "--always", "--dirty"); err != nil {
			return s, fmt.Errorf("find the version (or use -version): %w", err)
		}
	}
	s.version = packageVersion(version, s.date)
	return s, nil
}

// packages makes one package of each kind and returns their names.
func (s source) packages(ctx context.Context, out string) (names []string, err error) {
	stage, err := os.MkdirTemp("", "sallyport-package-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if err := s.fill(ctx, stage); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	for _, kind := range []string{"deb", "rpm"} {
		name, err := s.pack(kind, stage, out)
		if err != nil {
			return names, fmt.Errorf("make the %s package: %w", kind, err)
		}
		names = append(names, name)
	}
	return names, nil
}

// pack writes one package.
func (s source) pack(kind, stage, out string) (string, error) {
	return s.write(kind, s.info(kind, stage), out)
}

// write writes the package that was described.
func (s source) write(kind string, info *nfpm.Info, out string) (name string, err error) {
	packager, err := nfpm.Get(kind)
	if err != nil {
		return "", err
	}
	if err := nfpm.PrepareForPackager(info, kind); err != nil {
		return "", err
	}
	name = filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	return name, errors.Join(packager.Package(info, f), f.Close())
}

// output runs a program in the source tree and returns what it prints.
func (s source) output(ctx context.Context, name string, args ...string) (string, error) {
	return s.command(ctx, nil, name, args...)
}

// command is output with more environment.
func (s source) command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = s.root, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", strings.Join(cmd.Args, " "), err)
	}
	return strings.TrimSpace(string(text)), nil
}
