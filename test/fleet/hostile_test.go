//go:build linux

package fleet

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/proto"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
)

// recorded keeps what etcd has answered, for one who shows it again later.
type recorded struct {
	mu   sync.Mutex
	list map[string]*etcdserverpb.RangeResponse // by the prefix of what it lists
}

func (r *recorded) record(m proto.Message) []proto.Message {
	if a, ok := m.(*etcdserverpb.RangeResponse); ok {
		r.mu.Lock()
		r.list[listed(a)] = proto.Clone(a).(*etcdserverpb.RangeResponse)
		r.mu.Unlock()
	}
	return []proto.Message{m}
}

func (r *recorded) show(m proto.Message) []proto.Message {
	a, ok := m.(*etcdserverpb.RangeResponse)
	if !ok {
		return []proto.Message{m}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.list[listed(a)]; old != nil {
		old = proto.Clone(old).(*etcdserverpb.RangeResponse)
		old.Header.Revision = a.Header.Revision // nothing seems to have been put back
		return []proto.Message{old}
	}
	return []proto.Message{m}
}

// listed is what an answer lists: "roll", "gate" and so on; empty: nothing.
func listed(a *etcdserverpb.RangeResponse) string {
	if len(a.Kvs) == 0 {
		return ""
	}
	prefix, _, _ := strings.Cut(string(a.Kvs[0].Key), "/")
	return prefix
}

// list twists the records of answers to requests that list things.
func list(twist func([]*mvccpb.KeyValue) []*mvccpb.KeyValue) func(proto.Message) []proto.Message {
	return func(m proto.Message) []proto.Message {
		if a, ok := m.(*etcdserverpb.RangeResponse); ok {
			a.Kvs = twist(a.Kvs)
			a.Count = int64(len(a.Kvs))
		}
		return []proto.Message{m}
	}
}

// One who has taken etcd over can withhold things. Nobody is enrolled by that, and a
// client who is revoked gets in nowhere again, at gates that go on and at gates that
// start; when the truth is told again, gates follow it.
func TestHostileEtcd(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris")
	liar, err := w.etcd.Liar()
	must(t, err)
	t.Cleanup(func() { _ = liar.Close() })
	old := &recorded{list: map[string]*etcdserverpb.RangeResponse{}}
	liar.Answers(old.record)
	for _, g := range w.gates {
		g.configure(liar.Address)
		g.restart()
		g.opens()
	}
	w.sign(roll.Revoke{Name: "alice"})
	for _, g := range w.gates {
		g.follows()
		g.refuses()
	}
	for name, twist := range attacks(w, old) {
		liar.Answers(twist)
		w.gates[0].restart() // and reads all again
		for _, g := range w.gates {
			if g.knocks(); g.isOpen() {
				t.Errorf("etcd %s: alice, who is revoked, gets in at %s", name, g.Name)
			}
		}
		if f := w.gates[0].status().Fleet; f == nil || f.Entry > w.law.Head.Number || f.Clients > 0 {
			t.Errorf("etcd %s: berlin has %+v", name, f)
		}
		liar.Answers(nil)
	}
	w.gates[0].restart()
	w.sign(roll.Unrevoke{Name: "alice"})
	for _, g := range w.gates {
		g.follows()
		g.opens()
	}
}

// attacks are what is done to the answers of etcd.
func attacks(w *world, old *recorded) map[string]func(proto.Message) []proto.Message {
	next := roll.Entry{Number: w.law.Head.Number + 1}
	other := rolltest.New(w.t) // whose operator is none here
	forged := other.Append(roll.ClientAdd{Client: w.client()}).Marshal()
	isRoll := func(kvs []*mvccpb.KeyValue) bool { return len(kvs) > 0 && bytes.HasPrefix(kvs[0].Key, []byte("roll/")) }
	behind := func(value func([]*mvccpb.KeyValue) []byte) func(proto.Message) []proto.Message {
		return list(func(kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue {
			if !isRoll(kvs) {
				return kvs
			}
			return append(kvs, &mvccpb.KeyValue{Key: []byte(archive.Key(next.Number)), Value: value(kvs), ModRevision: kvs[0].ModRevision})
		})
	}
	return map[string]func(proto.Message) []proto.Message{
		"deletes":          list(func([]*mvccpb.KeyValue) []*mvccpb.KeyValue { return nil }),
		"rolls back":       old.show,
		"repeats":          list(func(kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue { return append(kvs, kvs...) }),
		"turns around":     list(func(kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue { slices.Reverse(kvs); return kvs }),
		"withholds":        list(func(kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue { return kvs[:max(len(kvs)-1, 0)] }),
		"swaps":            list(swapped),
		"shows old as new": behind(func(kvs []*mvccpb.KeyValue) []byte { return kvs[0].Value }),
		"forges":           behind(func([]*mvccpb.KeyValue) []byte { return forged }),
		"fills with junk":  behind(func([]*mvccpb.KeyValue) []byte { return bytes.Repeat([]byte{0xff}, 1<<20) }),
		"delays": func(m proto.Message) []proto.Message {
			if _, ok := m.(*etcdserverpb.WatchResponse); ok {
				time.Sleep(time.Second)
			}
			return []proto.Message{m}
		},
	}
}

// swapped has each record under the key of the next one.
func swapped(kvs []*mvccpb.KeyValue) []*mvccpb.KeyValue {
	for i := range kvs {
		if i > 0 {
			kvs[i].Value, kvs[i-1].Value = kvs[i-1].Value, kvs[i].Value
		}
	}
	return kvs
}

// Who has taken a gate over, with its key and its user of etcd, enrols nobody elsewhere
// and lifts no revocation; even if etcd lets him write everything.
func TestTakenOverGate(t *testing.T) {
	w := newWorld(t, "24h", "berlin", "paris")
	berlin, paris := w.gates[0], w.gates[1]
	w.sign(roll.Revoke{Name: "alice"})
	paris.follows()
	thief, err := ssh.NewSignerFromKey(berlin.key)
	must(t, err)
	e := w.roll.New(thief.PublicKey(), time.Now(), roll.Unrevoke{Name: "alice"})
	must(t, e.Sign(thief))
	write := []store.Write{{Key: archive.Key(e.Number), Value: e.Marshal()}}
	if _, err := w.reach("berlin", w.etcd.Endpoints()...).Commit(t.Context(), nil, write); err == nil {
		t.Error("etcd lets a gate write into the roll")
	}
	as := w.reach("root", w.etcd.Endpoints()...)
	_, err = as.Commit(t.Context(), nil, write)
	must(t, err)
	// What it says of itself is believed by nobody in another's name either.
	stolen := record.RevokedKey("paris", "alice")
	_, err = as.Commit(t.Context(), nil, []store.Write{{Key: stolen, Value: record.Sign(berlin.key, w.law.Fleet, stolen, record.Revocation{Client: "alice"})}})
	must(t, err)
	paris.says("do not count")
	paris.refuses()
	if f := paris.status().Fleet; f.Entry != w.law.Head.Number || f.Clients != 0 {
		t.Errorf("paris has %+v", f)
	}
	w.sign(roll.Unrevoke{Name: "alice"}) // the operator goes on in the place of what does not count
	paris.follows()
	paris.opens()
}
