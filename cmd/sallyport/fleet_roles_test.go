//go:build linux && !client_only

package main

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/store"
	labetcd "sallyport/internal/lab/etcd"
	"sallyport/internal/lab/labtest"
)

// The commands that are printed give each user what it needs of a real etcd, and no more.
func TestRolesInEtcd(t *testing.T) {
	labtest.Need(t, "netns")
	labtest.Need(t, "peers", "etcd", "etcdctl")
	c, err := labetcd.Start(labetcd.Options{Dir: t.TempDir(), Servers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for line := range strings.Lines(strings.ReplaceAll(etcdCommands([]string{"tokyo-1"}, ""), "OPERATOR", "alice")) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), " && ") {
			if words := strings.Fields(part); len(words) > 0 && words[0] == "etcdctl" {
				if out, err := c.Ctl(words[1:]...); err != nil {
					t.Fatalf("%s: %v\n%s", part, err, out)
				}
			}
		}
	}
	keys := map[string]map[string]bool{ // who may write what
		"tokyo-1": {"roll/0000000001": false, "whole/0000001000/000": false, "join/tokyo-1": true, "join/tokyo-2": false, "gate/tokyo-1/revoked/x": true, "gate/tokyo-2/revoked/x": false,
			"beat/tokyo-1": true, "beat/tokyo-10": false, "secret/tokyo-1/x": false, "elsewhere": false},
		"alice": {"roll/0000000001": true, "whole/0000001000/000": true, "join/tokyo-1": true, "secret/tokyo-2/x": true, "elsewhere": false},
	}
	reads := map[string]map[string]bool{
		"tokyo-1": {"roll/": true, "whole/": true, "gate/": true, "beat/": true, "secret/tokyo-1/": true, "secret/": false, "secret/tokyo-2/": false},
		"alice":   {"roll/": true, "join/": true, "beat/": true},
	}
	for user, list := range keys {
		id, err := c.Files(user)
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := desk.Connect(desk.File{Endpoints: c.Endpoints(), CA: id.CA, Cert: id.Cert, Key: id.Key})
		if err != nil {
			t.Fatal(err)
		}
		for key, may := range list {
			_, err := s.Commit(t.Context(), nil, []store.Write{{Key: key, Value: []byte("x")}})
			allowed(t, user+" writes "+key, may, err)
		}
		for prefix, may := range reads[user] {
			_, err := s.Read(t.Context(), store.Query{Prefix: prefix})
			allowed(t, user+" reads "+prefix, may, err)
		}
		_ = s.Close()
	}
}

func allowed(t *testing.T, what string, may bool, err error) {
	t.Helper()
	if may && err != nil || !may && !errors.Is(err, store.ErrRefused) {
		t.Errorf("%s, which is allowed: %v; %v", what, may, err)
	}
}
