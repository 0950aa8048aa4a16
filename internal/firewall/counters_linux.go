package firewall

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"sallyport/internal/packet"
)

// Counters reads how many packets were refused. They outlive the process, and
// begin again with the table.
func (f *Firewall) Counters() (Counters, error) {
	c := Counters{Doors: make(map[packet.Port]uint64)}
	var err error
	if c.Total, err = f.reader.count(refusedCounter(f.table)); err == nil {
		err = f.countDoors(&c)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) { // no table, no counters
		return c, fmt.Errorf("read counters: %w", err)
	}
	return c, nil
}

func (f *Firewall) countDoors(c *Counters) error {
	elements, err := f.reader.elements(f.sets.refused)
	for _, e := range elements {
		if port, ok := readPortKey(e.Key); ok && e.Counter != nil {
			c.Doors[port] = e.Counter.Packets
		}
	}
	return err
}
