package sequence

import (
	"math/bits"
	"time"

	"sallyport/internal/packet"
)

// A source is a scanner once it has touched scanPorts or a few more different
// closed ports within scanWindow, not counting the right next knocks of a
// sequence, and until it has touched none for scanQuiet. An honest client that
// mistypes touches a handful.
const (
	scanPorts  = 18
	scanWindow = 10 * time.Second
	scanQuiet  = 10 * time.Second
)

// scanners remembers recent wrong knocks in a table of fixed size. A source
// whose cell has been taken by newer ones is only forgotten: the strict reset
// still holds for it. A cell carries the whole address, so that nobody is taken
// for a scanner because of another.
type scanners struct {
	cells [scanRows][scanWays]scanCell
}

const (
	scanRows = 4096
	scanWays = 4
)

type scanCell struct {
	source source
	ports  uint64 // a bit for each port seen, by hash: never more bits than ports
	since  int64  // nanoseconds: start of the window
	last   int64  // nanoseconds: latest wrong knock
	found  bool
}

// scanning tells whether the source is a scanner now; its knock keeps it one.
func (t *scanners) scanning(s sender, now int64) bool {
	c := t.find(s)
	if c == nil || !c.found || now-c.last >= int64(scanQuiet) {
		return false
	}
	c.last = now
	return true
}

// wrong notes a wrong knock and tells whether it is the one by which the
// source becomes a scanner.
func (t *scanners) wrong(s sender, port packet.Port, now int64) bool {
	c := t.find(s)
	if c == nil {
		c = t.oldest(s)
		*c = scanCell{source: s.source, since: now}
	}
	if now-c.since >= int64(scanWindow) {
		*c = scanCell{source: s.source, since: now}
	}
	c.last = now
	c.ports |= 1 << (portHash(port) >> 58)
	if c.found || bits.OnesCount64(c.ports) < scanPorts {
		return false
	}
	c.found = true
	return true
}

func (t *scanners) row(s sender) *[scanWays]scanCell {
	return &t.cells[s.hash>>32%scanRows]
}

func (t *scanners) find(s sender) *scanCell {
	row := t.row(s)
	for i := range row {
		if row[i].source == s.source && row[i].last != 0 {
			return &row[i]
		}
	}
	return nil
}

func (t *scanners) oldest(s sender) *scanCell {
	row := t.row(s)
	oldest := &row[0]
	for i := range row {
		if row[i].last < oldest.last {
			oldest = &row[i]
		}
	}
	return oldest
}

// portHash spreads neighbouring ports over 64 bits (multiplicative hashing,
// Knuth, TAOCP volume 3, section 6.4).
func portHash(p packet.Port) uint64 {
	return (uint64(p.Proto)<<16 | uint64(p.Number)) * 0x9E3779B97F4A7C15
}
