//go:build linux && !client_only

package main

import (
	"slices"
	"testing"
)

// A program without the server knows the names of what it lacks.
func TestNamesOfServerCommands(t *testing.T) {
	var have []string
	for _, cmd := range serverCommands(stdio{}) {
		have = append(have, cmd.Name())
	}
	slices.Sort(have)
	if !slices.Equal(have, serverNames) {
		t.Errorf("commands of the server: %v; named: %v", have, serverNames)
	}
}
