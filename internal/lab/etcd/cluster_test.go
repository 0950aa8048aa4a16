//go:build linux

package etcd_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fleet/store"
	etcdstore "sallyport/internal/fleet/store/etcd"
	"sallyport/internal/fleet/store/storetest"
	"sallyport/internal/lab/etcd"
	"sallyport/internal/lab/labtest"
)

func TestMain(m *testing.M) { labtest.Main(m) }

// cluster starts servers for a test that may take its time.
func cluster(t *testing.T, o etcd.Options) *etcd.Cluster {
	t.Helper()
	if !labtest.Long() {
		t.Skip("three servers take their time: set SALLYPORT_LONG or SALLYPORT_REQUIRE")
	}
	labtest.Need(t, "netns")
	labtest.Need(t, "peers", "etcd", "etcdctl")
	o.Dir = t.TempDir()
	c, err := etcd.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open reaches the servers as a user.
func open(t *testing.T, c *etcd.Cluster, user string, lasts time.Duration) *etcdstore.Store {
	t.Helper()
	id, err := c.Identity(user, lasts)
	must(t, err)
	config, err := id.TLS()
	must(t, err)
	s, err := etcdstore.Open(etcdstore.Options{Endpoints: c.Endpoints(), TLS: config})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// get reads one record until the servers answer.
func get(t *testing.T, s store.Store, key string) (string, store.Seen) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		page, err := s.Read(t.Context(), store.Query{Prefix: key})
		switch {
		case err == nil && len(page.Records) == 0:
			return "", page.Seen
		case err == nil:
			return string(page.Records[0].Value), page.Seen
		case time.Now().After(deadline):
			t.Fatal(err)
		}
	}
}

// The contract holds with three servers, over TLS.
func TestContractWithThreeServers(t *testing.T) {
	c := cluster(t, etcd.Options{})
	s := open(t, c, "gate", time.Hour)
	storetest.Contract(t, s, func() { must(t, c.Compact()) })
	storetest.Asked(t, s, "contract/asked/")
}

// Two of three go on without a leader that is killed, or halted, and a third comes back.
func TestLeaderIsLost(t *testing.T) {
	c := cluster(t, etcd.Options{})
	s := open(t, c, "gate", time.Hour)
	storetest.Put(t, s, "a", "1")
	leader, err := c.Leader()
	must(t, err)
	leader.Kill()
	must(t, c.Wait())
	if got, _ := get(t, s, "a"); got != "1" {
		t.Errorf("after the leader was killed: %q", got)
	}
	must(t, leader.Start())
	must(t, c.Wait())
	if leader, err = c.Leader(); err != nil {
		t.Fatal(err)
	}
	must(t, leader.Halt())
	must(t, c.Wait())
	must(t, leader.Continue())
	must(t, c.Wait())
}

// A snapshot that is put back brings back what was then, and says that it is another
// cluster with fewer changes; servers that are emptied have nothing.
func TestRestoreAndEmpty(t *testing.T) {
	c := cluster(t, etcd.Options{})
	s := open(t, c, "gate", time.Hour)
	storetest.Put(t, s, "a", "then")
	snapshot := filepath.Join(t.TempDir(), "snapshot.db")
	must(t, c.Snapshot(snapshot))
	for range 20 {
		storetest.Put(t, s, "a", "now")
	}
	_, before := get(t, s, "a")
	must(t, c.Restore(snapshot))
	got, after := get(t, s, "a")
	if got != "then" || after.Cluster == before.Cluster || after.Revision >= before.Revision {
		t.Errorf("%q, %+v, before %+v", got, after, before)
	}
	must(t, c.Empty())
	if got, last := get(t, s, "a"); got != "" || last.Cluster == after.Cluster {
		t.Errorf("%q, %+v, before %+v", got, last, after)
	}
}

// Servers without room say so, go on being read, and take writes again with room.
func TestFull(t *testing.T) {
	c := cluster(t, etcd.Options{Servers: 1, Quota: 2 << 20})
	s := open(t, c, "gate", time.Hour)
	storetest.Put(t, s, "a", "1")
	must(t, c.Fill())
	if _, err := s.Commit(t.Context(), nil, []store.Write{{Key: "a", Value: []byte("2")}}); !errors.Is(err, store.ErrFull) {
		t.Errorf("a write: %v", err)
	}
	if got, _ := get(t, s, "a"); got != "1" {
		t.Errorf("a read: %q", got)
	}
	must(t, c.Drain())
	storetest.Put(t, s, "a", "3")
}

// A user may what its role says, and one whose certificate has ended may nothing.
func TestUsersAndCertificates(t *testing.T) {
	c := cluster(t, etcd.Options{Servers: 1})
	must(t, c.Users(map[string][]etcd.Grant{"berlin": {{Kind: "readwrite", Prefix: "gate/berlin/"}, {Kind: "read", Prefix: "roll/"}}}))
	berlin := open(t, c, "berlin", time.Hour)
	storetest.Put(t, berlin, "gate/berlin/a", "1")
	for _, key := range []string{"gate/paris/a", "roll/1"} {
		if _, err := berlin.Commit(t.Context(), nil, []store.Write{{Key: key, Value: []byte("x")}}); !errors.Is(err, store.ErrRefused) {
			t.Errorf("write %s: %v", key, err)
		}
	}
	if _, err := berlin.Read(t.Context(), store.Query{Prefix: "roll/"}); err != nil {
		t.Error(err)
	}
	if _, err := berlin.Read(t.Context(), store.Query{Prefix: "secret/"}); !errors.Is(err, store.ErrRefused) {
		t.Errorf("read: %v", err)
	}
	old := open(t, c, "berlin", -time.Hour)
	if _, err := old.Read(t.Context(), store.Query{Prefix: "roll/"}); err == nil || !strings.Contains(err.Error(), "certificate") && !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("with a certificate that has ended: %v", err)
	}
}
