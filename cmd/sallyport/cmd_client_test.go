//go:build linux && !client_only

package main

import "testing"

func TestClientWithABrokenConfiguration(t *testing.T) {
	s := newServer(t, oneDoor+"typo = 1\n")
	for _, command := range [][]string{
		{"client", "add", "alice", "--key", "-", "--door", "ssh"},
		{"client", "list"},
		{"client", "remove", "alice"},
		{"client", "profile", "alice", "--host", "gate"},
		{"server-key", "show"},
		{"server-key", "rotate"},
	} {
		s.refuses(newEd25519(t), "typo", command...)
	}
}
