package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Counters reads how many packets were refused. They outlive the process, and
// begin anew with the table.
func (f *Firewall) Counters() (Counters, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := Counters{Doors: make(map[packet.Port]uint64)}
	total, err := f.conn.GetObject(refusedCounter(f.table))
	if err == nil {
		var elements []nftables.SetElement
		elements, err = f.conn.GetSetElements(f.sets.refused)
		c.add(total, elements)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return c, fmt.Errorf("read counters: %w", err)
	}
	return c, nil
}

func (c *Counters) add(total nftables.Obj, elements []nftables.SetElement) {
	if obj, ok := total.(*nftables.CounterObj); ok {
		c.Total = obj.Packets
	}
	for _, e := range elements {
		if port, ok := readPortKey(e.Key); ok && e.Counter != nil {
			c.Doors[port] = e.Counter.Packets
		}
	}
}
