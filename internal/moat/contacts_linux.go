package moat

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"sallyport/internal/gate"
)

// contactsBatch is how many sources are read with one system call.
const contactsBatch = 1024

// reading is what reading the contacts needs from one time to the next.
type reading struct {
	keys     [contactsBatch][16]byte
	values   [contactsBatch]programSummary
	admitted uint64 // the counter at the last reading
}

// Contacts returns who has touched closed ports since it was last called, those
// with the most ports first, and how many sources there was no room for. Their
// number is bounded (8,192), whatever is sent.
func (m *Moat) Contacts(now time.Time) (list []Contact, forgotten uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := clock()
	if err != nil {
		return nil, 0, err
	}
	wall := func(t uint64) time.Time { return now.Add(time.Duration(int64(t) - at)) }
	counts, err := m.counts()
	if err != nil {
		return nil, 0, err
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.objects.Contacts.BatchLookupAndDelete(&cursor, m.read.keys[:], m.read.values[:], nil)
		for i := range n {
			v := &m.read.values[i]
			list = append(list, Contact{netip.AddrFrom16(m.read.keys[i]).Unmap(), gate.Contacts{
				Packets: v.Packets, Ports: distinct(v.Registers), Seen: v.Seen, First: wall(v.First), Last: wall(v.Last),
			}})
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			break
		}
		if err != nil {
			return list, 0, fmt.Errorf("read contacts from the kernel: %w", err)
		}
	}
	fresh := counts[admitted] - m.read.admitted
	m.read.admitted = counts[admitted]
	slices.SortFunc(list, func(a, b Contact) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), cmp.Compare(b.Packets, a.Packets), a.Source.Compare(b.Source))
	})
	return list, fresh - min(fresh, uint64(len(list))), nil
}

// The counters, in the order of the program.
const (
	wrongTag = iota
	overBudget
	sampled
	tagged
	unchecked
	contacts
	admitted
	numCounters
)

func (m *Moat) counts() (sums [numCounters]uint64, err error) {
	var each []uint64
	for i := range sums {
		if err := m.objects.Counters.Lookup(uint32(i), &each); err != nil {
			return sums, fmt.Errorf("read counters of the XDP program: %w", err)
		}
		for _, n := range each {
			sums[i] += n
		}
	}
	return sums, nil
}

// Counters returns what has been counted since Load.
func (m *Moat) Counters() (Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.counts()
	return Counters{
		WrongTag: c[wrongTag], OverBudget: c[overBudget], Sampled: c[sampled],
		Tagged: c[tagged], Unchecked: c[unchecked], Contacts: c[contacts],
	}, err
}
