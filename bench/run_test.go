//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"

	"sallyport/bench/peers"
)

func names(systems []peers.System) (names []string) {
	for _, s := range systems {
		names = append(names, s.Name())
	}
	return names
}

func TestSystemsAreChosenByTheBeginningOfTheirNames(t *testing.T) {
	tests := []struct {
		args string
		want []string
	}{
		{"", names(peers.All("sallyport"))},
		{"-systems knockd", []string{"knockd"}},
		{"-systems fwknopd,bare", []string{"bare loop (floor)", "fwknopd (pcap, default)", "fwknopd (UDP server)"}},
	}
	for _, tt := range tests {
		s, err := parse(strings.Fields(tt.args))
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		if got := names(selected(s)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.want)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for args, want := range map[string]string{
		"-only latncy":      `no section "latncy": want latency, goodput, flood, growth, soak`,
		"-systems nosuchd":  `no system "nosuchd"`,
		"-rounds 0":         `rounds: want at least 1`,
		"-burst 0s":         `burst: want more than 0s`,
		"latency":           `unexpected argument "latency"`,
		"-rounds many":      `invalid value "many"`,
		"-knocks -1":        `knocks: want at least 1`,
		"-sources 20000000": `sources: want at most 16,777,215`,
	} {
		_, err := parse(strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

func TestRequiredPeers(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SALLYPORT_REQUIRE", "netns")
	if err := requirePeers([]peers.System{peers.Knockd{}}); err != nil {
		t.Errorf("not required: %v", err)
	}
	t.Setenv("SALLYPORT_REQUIRE", "netns,peers")
	err := requirePeers([]peers.System{peers.Knockd{}})
	if err == nil || !strings.Contains(err.Error(), "not installed: knockd, iptables") {
		t.Errorf("required: got %v", err)
	}
}
