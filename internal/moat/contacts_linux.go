package moat

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"sallyport/internal/event"
)

// setsBatch is how many sets of sources are read with one system call.
const setsBatch = 512

// reading is what reading the contacts needs from one time to the next.
type reading struct {
	keys    [setsBatch]uint32
	values  [setsBatch]programSet
	packets uint64 // counted until the last reading
	at      time.Time
}

// Contacts returns who has touched closed ports since it was last called, those
// with the most ports first, at most so many, and the sum of all others. What it
// costs is bounded, whatever is sent: the program remembers 8,192 sources
// between two calls.
func (m *Moat) Contacts(now time.Time, most int) (list []Contact, rest event.Contacts, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.loaded || m.closed {
		return nil, rest, nil
	}
	counts, err := m.counts()
	if err != nil {
		return nil, rest, err
	}
	rest = event.Contacts{Packets: counts[contacts] - m.read.packets, First: m.read.at, Last: now}
	m.read.packets, m.read.at = counts[contacts], now
	if list, err = m.sources(now); err != nil {
		return nil, rest, err
	}
	slices.SortFunc(list, func(a, b Contact) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), cmp.Compare(b.Packets, a.Packets), a.Source.Compare(b.Source))
	})
	list = list[:min(most, len(list))]
	for _, c := range list {
		rest.Packets -= min(rest.Packets, c.Packets) // a packet may have come after the counter was read
	}
	return list, rest, nil
}

// sources begins a new round, and reads the table of the one before.
func (m *Moat) sources(now time.Time) (list []Contact, err error) {
	at, err := m.clock()
	if err != nil {
		return nil, err
	}
	round := m.settings.Round
	m.settings.Round++
	if err := m.publish(); err != nil {
		return nil, err
	}
	wall := func(t uint64) time.Time { return now.Add(time.Duration(int64(t) - at)) }
	var cursor ebpf.MapBatchCursor
	for end := false; !end; {
		n, err := m.objects.Contacts.BatchLookup(&cursor, m.read.keys[:], m.read.values[:], &ebpf.BatchOptions{ElemFlags: uint64(ebpf.LookupLock)})
		if end = errors.Is(err, ebpf.ErrKeyNotExist); err != nil && !end {
			return nil, fmt.Errorf("read contacts from the kernel: %w", err)
		}
		for i := range n {
			if m.read.values[i].Round == round {
				list = m.read.values[i].appendTo(list, wall)
			}
		}
	}
	return list, nil
}

func (s *programSet) appendTo(list []Contact, wall func(uint64) time.Time) []Contact {
	for i := range s.Ways {
		w := &s.Ways[i]
		if w.Packets == 0 {
			continue
		}
		// The source is as it was in the packet.
		var source [16]byte
		binary.NativeEndian.PutUint64(source[:8], w.Source.High)
		binary.NativeEndian.PutUint64(source[8:], w.Source.Low)
		list = append(list, Contact{netip.AddrFrom16(source).Unmap(), event.Contacts{
			Packets: w.Packets, Ports: distinct(w.Registers), Seen: w.Seen, First: wall(w.First), Last: wall(w.Last),
		}})
	}
	return list
}

// The counters, in the order of the program.
const (
	wrongTag = iota
	overBudget
	sampled
	tagged
	unchecked
	contacts
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

// Counters returns what has been counted since the program was loaded.
func (m *Moat) Counters() (Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.loaded || m.closed {
		return Counters{}, nil
	}
	c, err := m.counts()
	return Counters{
		WrongTag: c[wrongTag], OverBudget: c[overBudget], Sampled: c[sampled],
		Tagged: c[tagged], Unchecked: c[unchecked], Contacts: c[contacts],
	}, err
}
