package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// batch gathers changes that the kernel carries out together or not at all.
// What cannot be encoded is reported by flush.
type batch struct {
	conn    *nftables.Conn
	table   *nftables.Table
	refused *nftables.CounterObj
	destroy bool // the kernel removes elements whether or not they are there
}

// newBatch returns an empty batch. A kernel that lets a table be owned (6.9) knows
// the messages to destroy (6.3).
func (f *Firewall) newBatch() *batch {
	return &batch{conn: f.conn, table: f.table, refused: refusedCounter(f.table), destroy: f.Owned()}
}

func refusedCounter(t *nftables.Table) *nftables.CounterObj {
	return &nftables.CounterObj{Table: t, Name: "refused"}
}

func (b *batch) addSet(s *nftables.Set) { _ = b.conn.AddSet(s, nil) }

func (b *batch) add(s *nftables.Set, elements ...nftables.SetElement) {
	_ = b.conn.SetAddElements(s, elements)
}

func (b *batch) remove(s *nftables.Set, elements ...nftables.SetElement) {
	_ = b.conn.SetDeleteElements(s, elements)
}

// discard removes elements whether or not they are there. Where the kernel has
// no message for that, it refuses to delete what is missing: so that it is there, it is
// added before.
func (b *batch) discard(entries []entry) {
	for s, elements := range bySet(entries, entry.bare) {
		if b.destroy {
			_ = b.conn.SetDestroyElements(s, elements)
			continue
		}
		b.add(s, elements...)
		b.remove(s, elements...)
	}
}

// put adds elements with their times and names.
func (b *batch) put(entries []entry) {
	for s, elements := range bySet(entries, entry.full) {
		b.add(s, elements...)
	}
}

// bySet gathers the elements for each set, which fit into one message: the ports
// of a door can be many.
func bySet(entries []entry, element func(entry) nftables.SetElement) map[*nftables.Set][]nftables.SetElement {
	list := make(map[*nftables.Set][]nftables.SetElement, 1)
	for _, e := range entries {
		list[e.set] = append(list[e.set], element(e))
	}
	return list
}

// anonymous adds a set that belongs to one rule.
func (b *batch) anonymous(kind nftables.SetDatatype, keys ...[]byte) *nftables.Set {
	return b.addAnonymous(&nftables.Set{KeyType: kind}, keys)
}

// anonymousPorts adds a set of protocols and ports that belongs to one rule.
func (b *batch) anonymousPorts(keys [][]byte) *nftables.Set {
	kind := nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
	return b.addAnonymous(&nftables.Set{KeyType: kind, Concatenation: true}, keys)
}

func (b *batch) addAnonymous(s *nftables.Set, keys [][]byte) *nftables.Set {
	s.Table, s.Anonymous, s.Constant = b.table, true, true
	var elements []nftables.SetElement
	for _, key := range keys {
		elements = append(elements, nftables.SetElement{Key: key})
	}
	_ = b.conn.AddSet(s, elements)
	return s
}

// flush carries the batch out. On any error nothing has changed.
func (b *batch) flush() error { return explainBatch(b.conn.Flush()) }

// explainBatch adds what an administrator can do about an error of the kernel.
func explainBatch(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: the table inet %s belongs to another process, or CAP_NET_ADMIN is missing: is another sallyport serve running?", err, tableName)
	case errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("%w: too much at once: raise the sysctl net.core.wmem_max, or run with CAP_NET_ADMIN outside of user namespaces", err)
	case errors.Is(err, unix.EFBIG), errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EMLINK):
		return fmt.Errorf("%w: this kernel does not take a rule or a table as large as this configuration wants: give the doors fewer ports", err)
	case errors.Is(err, unix.ENFILE):
		return fmt.Errorf("%w: a set of grants is full: end some with sallyport revoke", err)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("%w: the kernel has no memory for it", err)
	}
	return err
}
