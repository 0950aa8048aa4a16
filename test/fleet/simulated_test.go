//go:build linux

package fleet

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/config"
	daemonfleet "sallyport/internal/daemon/fleet"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/event"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/key"
)

// simulated is a gate without a daemon: the real code of the fleet, with a connection of
// its own, over a configuration and no table in the kernel. Its grants are one of alice's.
type simulated struct {
	*daemonfleet.Fleet
	base     *config.Config
	changing sync.Mutex
	inForce  atomic.Pointer[config.Config]
	knows    atomic.Int64 // when alice came into force, or went: nanoseconds since the Unix epoch, negative if she went
	ended    atomic.Int64 // when her grant was ended
}

// simulate makes simulated gates, which follow the fleet until the test ends.
func (w *world) simulate(n int) (list []*simulated) {
	w.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "sallyport-gates-") // each has a disk of its own, in truth
	must(w.t, err)
	var changes []roll.Change
	for i := range n {
		name := fmt.Sprintf("gate-%d", i)
		state := filepath.Join(dir, name)
		must(w.t, os.Mkdir(state, 0o700))
		folder := kept.Of(state)
		private, err := folder.MakeKey()
		must(w.t, err)
		must(w.t, folder.SetPin(w.law.Head))
		entry, _, _ := rolltest.Gate(w.t, name)
		entry.Key = private.Public().(ed25519.PublicKey)
		changes = append(changes, roll.GateAdd{Gate: entry})
		list = append(list, w.simulateOne(name, state))
	}
	for len(changes) > 0 { // an entry has at most 1 MiB
		some := changes[:min(len(changes), 300)]
		w.sign(some...)
		changes = changes[len(some):]
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, s := range list {
		running.Go(func() { _ = s.Run(ctx) }) // until the end
	}
	w.t.Cleanup(func() {
		stop()
		running.Wait()
		_ = os.RemoveAll(dir)
	})
	return list
}

func (w *world) simulateOne(name, state string) *simulated {
	text := fmt.Sprintf("[daemon]\nstate_dir = %q\n[gate]\nname = %q\n[fleet]\nendpoints = [\"127.0.0.1:2379\"]\n[spa]\nport = 1024\n[[door]]\nname = \"hello\"\nports = [\"tcp/7\"]\nopen_for = \"5m\"\n", state, name)
	path := filepath.Join(state, "sallyport.toml")
	must(w.t, os.WriteFile(path, []byte(text), 0o600))
	cfg, err := config.Load(os.DirFS("/"), path)
	must(w.t, err)
	s := &simulated{base: cfg}
	s.inForce.Store(cfg)
	s.Fleet = daemonfleet.Open(cfg, daemonfleet.Around{
		Changing: &s.changing, InForce: s.inForce.Load, Bring: s.bring, End: s.end, Put: func(event.Event) {}, Problems: problems.New(func(event.Event) {}, func() {}),
		Keys: func() key.Keyring { return key.Keyring{} }, Version: "simulated",
		Open: func(config.Fleet) (store.Store, []certs.Cert, error) {
			s, err := w.dial("root", w.etcd.Endpoints()...)
			return s, nil, err
		},
	})
	return s
}

// bring puts the layer into force.
func (s *simulated) bring(context.Context) error {
	cfg := s.Over(s.base)
	before := s.client(s.inForce.Load())
	s.inForce.Store(cfg)
	s.Note(cfg)
	switch is := s.client(cfg); {
	case is && !before:
		s.knows.Store(time.Now().UnixNano())
	case !is && before:
		s.knows.Store(-time.Now().UnixNano())
	}
	return nil
}

func (s *simulated) client(cfg *config.Config) bool {
	for i := range cfg.Clients {
		if cfg.Clients[i].Name == "alice" {
			return true
		}
	}
	return false
}

func (s *simulated) end(_ event.Reason, _ bool, match func(event.Grant) bool) {
	if match(event.Grant{Client: "alice", Door: "hello", Holder: event.Named}) {
		s.ended.Store(time.Now().UnixNano())
	}
}

// since returns how long after a moment each of the times was that came after an earlier
// one, and waits for them. Gates hear of an entry as soon as its writer does.
func since(t testing.TB, earlier, began time.Time, n int, at func(int) int64) (list []time.Duration) {
	t.Helper()
	for i := range n {
		for deadline := time.Now().Add(time.Minute); at(i) < earlier.UnixNano(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("gate %d does not hear of it", i)
			}
		}
		list = append(list, max(time.Duration(at(i)-began.UnixNano()), 0))
	}
	return list
}
