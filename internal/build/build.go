// Package build knows what this program was built from, and holds the tests
// that look at the source tree as a whole.
package build

import "runtime/debug"

// version is set by the linker for releases: -X sallyport/internal/build.version=v1.2.3
var version string

// Version returns the version of this program: that of the release, or what
// the Go toolchain knows of the source, or "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
