package main

import "slices"

// target is what a program is built for, in Go's words. The variant is GOARM,
// or GOMIPS.
type target struct{ os, arch, variant string }

// env is what the go command needs to build for it: everything that changes the
// bytes, whatever is set where it is built.
func (t target) env() []string {
	env := []string{"CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GO386=sse2", "GORISCV64=rva20u64", "GOPPC64=power8"}
	if t.variant != "" {
		name := "GOMIPS="
		if t.arch == "arm" {
			name = "GOARM="
		}
		env = append(env, name+t.variant)
	}
	return env
}

// packageArch is the processor as nfpm names it.
func (t target) packageArch() string {
	if t.arch == "arm" {
		return t.arch + t.variant
	}
	return t.arch
}

// String is how archives name it.
func (t target) String() string {
	if t.arch == "arm" {
		return t.os + "_armv" + t.variant
	}
	return t.os + "_" + t.arch
}

// product is what a release has for a target, beside an archive of the client.
type product struct {
	target
	server   bool     // the daemon, too: an archive, and a place in the image
	packages bool     // for Debian and RPM
	openwrt  []string // names of this processor there, which has one for each core
}

// products are what a release consists of. There is no SQLite for mips, so a server
// there would have no journal: it can be built, but is no product. ARMv6 is what
// Raspberry Pi OS calls armhf.
var products = []product{
	{target{"linux", "amd64", ""}, true, true, []string{"x86_64"}},
	{target{"linux", "arm64", ""}, true, true, []string{"aarch64_cortex-a53", "aarch64_generic"}},
	{target{"linux", "riscv64", ""}, true, true, nil},
	{target{"linux", "ppc64le", ""}, true, false, nil},
	{target{"linux", "s390x", ""}, true, false, nil},
	{target{"linux", "arm", "5"}, true, false, nil},
	{target{"linux", "arm", "6"}, true, true, nil},
	{target{"linux", "arm", "7"}, true, false, []string{"arm_cortex-a7_neon-vfpv4", "arm_cortex-a9_vfpv3-d16"}},
	{target{"linux", "386", ""}, true, true, nil},
	{target{"linux", "mips", "softfloat"}, false, false, []string{"mips_24kc"}},
	{target{"linux", "mipsle", "softfloat"}, false, false, []string{"mipsel_24kc"}},
	{target{"android", "arm64", ""}, false, false, nil},
	{target{"darwin", "amd64", ""}, false, false, nil},
	{target{"darwin", "arm64", ""}, false, false, nil},
	{target{"windows", "amd64", ""}, false, false, nil},
	{target{"windows", "arm64", ""}, false, false, nil},
	{target{"freebsd", "amd64", ""}, false, false, nil},
	{target{"openbsd", "amd64", ""}, false, false, nil},
	{target{"netbsd", "amd64", ""}, false, false, nil},
}

// named returns the products whose names are listed, or all.
func named(names []string) (list []product) {
	for _, p := range products {
		if len(names) == 0 || slices.Contains(names, p.String()) {
			list = append(list, p)
		}
	}
	return list
}
