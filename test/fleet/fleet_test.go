//go:build linux

package fleet

import (
	"path/filepath"
	"testing"

	"sallyport/internal/fleet/roll"
)

// Enrolled once, alice gets in at every gate; revoked once, she is out at every gate, with
// what she had open.
func TestEnrolledOnceRevokedEverywhere(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris", "tokyo")
	for _, g := range w.gates {
		g.opens()
		conn := g.session()
		if !answers(conn) {
			t.Fatalf("the session at %s", g.Name)
		}
		defer func() {
			w.Eventually("the session at "+g.Name+" is cut", func() bool { return !answers(conn) })
			g.refuses()
		}()
	}
	w.sign(roll.Revoke{Name: "alice"})
}

// With the leader of etcd gone gates go on, and hear of a revocation as before.
func TestLeaderIsKilled(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris", "tokyo")
	leader, err := w.etcd.Leader()
	must(t, err)
	leader.Kill()
	for _, g := range w.gates {
		g.opens()
	}
	w.sign(roll.Revoke{Name: "alice"})
	for _, g := range w.gates {
		w.Closes(w.Client, "tcp", g.at())
		g.refuses()
	}
	must(t, leader.Start())
	must(t, w.etcd.Wait())
}

// A gate that is cut off from etcd gives no longer than without_fleet says, and hears of
// the revocation when it is back. Others hear of it at once.
func TestGateIsCutOff(t *testing.T) {
	w := newWorld(t, "12s", "berlin", "paris")
	berlin, paris := w.gates[0], w.gates[1]
	berlin.opens()
	paris.opens()
	paris.cut()
	w.sign(roll.Revoke{Name: "alice"})
	w.Closes(w.Client, "tcp", berlin.at())
	w.Eventually("paris ends what alice has, for want of etcd", func() bool { return !paris.isOpen() })
	paris.refuses()
	paris.says("etcd")
	paris.mend()
	paris.follows()
	paris.refuses()
}

// Without etcd at all gates go on with what they know, also after a restart, and come back.
func TestEtcdIsGone(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris")
	must(t, w.etcd.Close())
	for _, g := range w.gates {
		g.opens()
		g.says("etcd is away")
	}
	berlin := w.gates[0]
	berlin.kill()
	berlin.start()
	berlin.opens()
	for _, s := range w.etcd.Servers {
		must(t, s.Start())
	}
	must(t, w.etcd.Wait())
	for _, g := range w.gates {
		g.silent("etcd is away")
	}
	w.sign(roll.ClientRemove{Name: "alice"})
	for _, g := range w.gates {
		w.Closes(w.Client, "tcp", g.at())
		g.refuses()
	}
}

// A snapshot from before a removal, put back, brings nobody back, and gives nothing new to
// anyone until the roll is whole again.
func TestOldSnapshot(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris")
	snapshot := filepath.Join(t.TempDir(), "snapshot.db")
	must(t, w.etcd.Snapshot(snapshot))
	w.sign(roll.ClientRemove{Name: "alice"})
	for _, g := range w.gates {
		g.follows()
	}
	must(t, w.etcd.Restore(snapshot))
	for _, g := range w.gates {
		g.says("does not show the roll")
		g.refuses()
	}
	paris := w.gates[1]
	paris.kill()
	paris.start()
	paris.says("does not show the roll")
	paris.refuses()
	must(t, w.etcd.Empty())
	for _, g := range w.gates {
		g.says("does not show the roll")
		g.refuses()
	}
}
