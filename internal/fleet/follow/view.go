// Package follow is what a gate knows of its fleet, out of what it has read: the roll, and
// whom gates have revoked. It decides what that means here: which clients there are, who
// is kept out, and what holds while etcd is away. It is pure; whatever it takes may have
// been written by an enemy, who can show old things, or nothing.
//
// What has been deleted in etcd changes nothing here. A revocation ends when operators say
// so in the roll, and an entry of the roll ends with a later one.
package follow

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/seal"
	"sallyport/internal/fleet/store"
)

// View is what is known. One goroutine changes it; the others read what it has made.
type View struct {
	Gate string
	Roll *roll.State
	Seen store.Seen // of what has been read

	revoked map[string]Revoked            // by client: of those that count, the one that holds longest
	ahead   map[string]map[string]Revoked // by gate and client: those that speak of entries that are not known here
	claims  map[string]roll.Head          // by gate: what it says is in force there, where this one has less
	secrets map[string][]byte             // by client: sealed to this gate
	signers map[string]bool               // keys of operators
	parsed  map[string]ssh.PublicKey      // by their text
}

// Revoked is a revocation, and the gate that has made it.
type Revoked struct {
	record.Revocation
	By string
}

// maxAhead bounds what one gate can have us keep of what we cannot judge.
const maxAhead = 1000

// New returns what a gate knows that has read the roll and nothing else.
func New(gate string, r *roll.State) *View {
	v := &View{Gate: gate, revoked: map[string]Revoked{}, ahead: map[string]map[string]Revoked{}, claims: map[string]roll.Head{}, secrets: map[string][]byte{}, parsed: map[string]ssh.PublicKey{}}
	v.Advance(r)
	return v
}

// Self returns this gate's own entry in the roll.
func (v *View) Self() (roll.Gate, bool) {
	g, ok := v.Roll.Gates[v.Gate]
	return g, ok
}

// Advance takes the roll as it has become. What gates have said about entries that were
// not known is judged again, and what those have said that are no gates any more is not.
func (v *View) Advance(r *roll.State) {
	v.Roll, v.signers = r, make(map[string]bool, len(r.Operators))
	for _, o := range r.Operators {
		v.signers[o.Key] = true
	}
	for gate, list := range v.ahead {
		if _, there := r.Gates[gate]; !there {
			delete(v.ahead, gate)
			continue
		}
		for client, rev := range list {
			if rev.UpTo <= r.Head.Number {
				delete(list, client)
				v.keep(rev)
			}
		}
	}
	for gate, head := range v.claims {
		if _, there := r.Gates[gate]; !there || head.Number <= r.Head.Number {
			delete(v.claims, gate)
		}
	}
	maps.DeleteFunc(v.revoked, func(client string, rev Revoked) bool {
		m, there := r.Clients[client]
		return !there || !m.Holds(rev.UpTo)
	})
	maps.DeleteFunc(v.secrets, func(client string, _ []byte) bool { return r.Clients[client].Secrets == roll.Hash{} })
}

// Take takes what lies under a key of a gate or of a secret, and reports whether that has
// changed anything. An error says why it does not count.
func (v *View) Take(key string, value []byte) (changed bool, r record.Record, err error) {
	if client, ok := strings.CutPrefix(key, record.SecretKey(v.Gate, "")); ok {
		return v.takeSecret(client, value), nil, nil
	}
	gate, ok := record.Signer(key)
	if !ok {
		return false, nil, fmt.Errorf("%.80q is no key of ours", key)
	}
	entry, ok := v.Roll.Gates[gate]
	if !ok {
		return false, nil, &NoGate{gate}
	}
	if r, err = record.Open(entry.Key, v.Roll.Fleet, key, value); err != nil {
		return false, nil, fmt.Errorf("%.80q: %w", key, err)
	}
	switch r := r.(type) {
	case record.Revocation:
		return v.revoke(Revoked{r, gate}), r, nil
	case record.Beat:
		return v.heard(gate, r), r, nil
	}
	return false, r, nil
}

// NoGate says that the roll knows no such gate: what it has left is worth nothing, or it
// is newer than the roll that is known here.
type NoGate struct{ Name string }

func (e *NoGate) Error() string { return fmt.Sprintf("the roll knows no gate %s", e.Name) }

// revoke takes a revocation. Of operators none counts, so that no gate can keep those out
// who could remove it.
func (v *View) revoke(rev Revoked) bool {
	if rev.UpTo <= v.Roll.Head.Number {
		return v.keep(rev)
	}
	list := v.ahead[rev.By]
	if list == nil {
		list = map[string]Revoked{}
		v.ahead[rev.By] = list
	}
	if _, there := list[rev.Client]; !there && len(list) >= maxAhead {
		return false
	}
	before := list[rev.Client]
	list[rev.Client] = rev
	return before != rev
}

// keep keeps a revocation if it keeps anyone out for longer than was known.
func (v *View) keep(rev Revoked) bool {
	m, there := v.Roll.Clients[rev.Client]
	if !there || !m.Holds(rev.UpTo) || v.signers[m.Key] {
		return false
	}
	if before, known := v.revoked[rev.Client]; known && before.UpTo >= rev.UpTo {
		return false
	}
	v.revoked[rev.Client] = rev
	return true
}

// heard takes a heartbeat of another gate.
func (v *View) heard(gate string, b record.Beat) bool {
	if b.Head.Number <= v.Roll.Head.Number || gate == v.Gate {
		return false
	}
	if before, known := v.claims[gate]; known && before.Number >= b.Head.Number {
		return false
	}
	v.claims[gate] = b.Head
	return true
}

func (v *View) takeSecret(client string, value []byte) bool {
	if v.Roll.Clients[client].Secrets == (roll.Hash{}) || len(value) > seal.MaxSealed || slices.Equal(v.secrets[client], value) {
		return false
	}
	v.secrets[client] = slices.Clone(value)
	return true
}

// Secret returns what lies sealed to this gate for a client.
func (v *View) Secret(client string) []byte { return v.secrets[client] }

// Revocation returns why a client of the roll is kept out.
func (v *View) Revocation(client string) (why string, revoked bool) {
	m, there := v.Roll.Clients[client]
	if !there {
		return "", false
	}
	if m.Revoked {
		return "an operator has revoked the client", true
	}
	if rev, ok := v.revoked[client]; ok {
		return "the client was revoked at gate " + rev.By, true
	}
	if v.signers[m.Key] {
		return "", false
	}
	for gate, list := range v.ahead {
		if rev, ok := list[client]; ok && m.Holds(rev.UpTo) {
			return "the client was revoked at gate " + gate, true
		}
	}
	return "", false
}

// Own returns the revocations of this gate that keep clients out, in the order of their
// names.
func (v *View) Own() (list []record.Revocation) {
	for _, client := range slices.Sorted(maps.Keys(v.revoked)) {
		if rev := v.revoked[client]; rev.By == v.Gate {
			list = append(list, rev.Revocation)
		}
	}
	return list
}

// Behind returns why this gate may have less of the roll than others; empty: it has what
// any gate has said that it has. A gate of the fleet says so, and signs it: if it lies,
// operators remove it.
func (v *View) Behind() string {
	most, by := v.Roll.Head.Number, ""
	claim := func(gate string, n uint64) {
		if n > most || n == most && by != "" && gate < by {
			most, by = n, gate
		}
	}
	for gate, head := range v.claims {
		claim(gate, head.Number)
	}
	for gate, list := range v.ahead {
		for _, rev := range list {
			claim(gate, rev.UpTo)
		}
	}
	if by == "" {
		return ""
	}
	return fmt.Sprintf("gate %s says that the roll has entry %d, and etcd shows this gate no more than entry %d: etcd was put back, or holds back entries, or that gate lies", by, most, v.Roll.Head.Number)
}

// IsOperator reports whether a client of the roll has the key of an operator.
func (v *View) IsOperator(client string) bool { return v.signers[v.Roll.Clients[client].Key] }

// Members returns the clients that count at this gate, in the order of their names, those
// who are revoked among them.
func (v *View) Members() []roll.Member {
	self, ok := v.Self()
	if !ok {
		return nil
	}
	var list []roll.Member
	for _, name := range slices.Sorted(maps.Keys(v.Roll.Clients)) {
		if m := v.Roll.Clients[name]; m.At(&self) {
			list = append(list, m)
		}
	}
	return list
}

// Key returns the key with which the roll says that this gate signs; nil: the roll does
// not know it.
func (v *View) Key() ed25519.PublicKey { return v.Roll.Gates[v.Gate].Key }
