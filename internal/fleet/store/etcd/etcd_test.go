//go:build linux

package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/storetest"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// serve runs a server of etcd on loopback and returns its address and its process.
func serve(t *testing.T) (string, *exec.Cmd) {
	t.Helper()
	labtest.Need(t, "netns")
	labtest.Need(t, "peers", "etcd")
	client, peer := free(t), free(t)
	cmd := exec.Command("etcd", "--name", "a", "--data-dir", t.TempDir(), "--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "a=http://"+peer, "--log-level", "error")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return client, cmd
}

// free is an address of loopback on which nothing listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func open(t *testing.T, address string) *Store {
	t.Helper()
	s, err := Open(Options{Endpoints: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := s.Read(t.Context(), store.Query{Prefix: "a"}); err == nil {
			return s
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestEtcd(t *testing.T) {
	address, _ := serve(t)
	s := open(t, address)
	storetest.Contract(t, s, func() {
		page, err := s.Read(t.Context(), store.Query{Prefix: "contract/"})
		if err == nil {
			_, err = s.client.Compact(t.Context(), page.Revision, clientv3.WithCompactPhysical())
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A server that is gone is noticed by a watch and by a request, and neither waits for
// ever.
func TestServerIsGone(t *testing.T) {
	address, server := serve(t)
	s := open(t, address)
	from := storetest.Put(t, s, "a", "1").Revision
	began, ended := make(chan struct{}, 8), make(chan error, 1)
	go func() {
		ended <- s.Watch(t.Context(), []string{"a"}, from, func(store.Batch) error { began <- struct{}{}; return nil })
	}()
	<-began
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("watch: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if _, err := s.Read(ctx, store.Query{Prefix: "a"}); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("read: %v", err)
	}
}

// A watch is worked off at the pace of the one who takes, and loses nothing.
func TestSlowReader(t *testing.T) {
	address, _ := serve(t)
	s := open(t, address)
	from := storetest.Put(t, s, "a/", "begin").Revision
	for i := range 300 {
		storetest.Put(t, s, fmt.Sprintf("a/%03d", i), string(make([]byte, 4096)))
	}
	n, enough := 0, errors.New("enough")
	err := s.Watch(t.Context(), []string{"a/"}, from, func(b store.Batch) error {
		if n += len(b.Events); n == 301 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("%d events: %v", n, err)
	}
}
