package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var floods = &rule{
	name: "flood",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("hostile packets come faster than detect.flood allows (%d so far): someone tries to overload this host", f.Count)
	},
	advice: "Knocks of people still get through. Ask your provider to filter if the line is full; the addresses are most likely forged, so do not block them.",
	quiet:  5 * time.Minute,
}

// floodFor is how many seconds in a row make a flood: a burst is none.
const floodFor = 3

// What a scan sends is no flood, however fast it is: it ends when it has seen
// all ports. What goes on is one, and so is what ever more sources send.
const (
	// wholeScan is a scan of every port in TCP and UDP, in which no port answers
	// and each is tried eleven times: nmap's --max-retries is ten at first.
	wholeScan = 2 * 65_535 * 11

	scansAtOnce = 4 // of so many whole scans together
	scansWindow = 10 * time.Minute
)

// flood counts the hostile packets of a second. A packet may be refused, be
// counted as a contact, or both; the larger number is nearer to the truth.
type flood struct {
	second            uint32
	refused, contacts uint64
	row               int
	packets           uint64 // in this row
	scans             tally  // packets that were left out, as those of scans
}

// isScan reports whether what a source has sent in a second belongs to a scan,
// one that it may still be at.
func (d *Detector) isScan(c *source, sent event.Contacts) bool {
	window := seconds(scansWindow)
	return int(sent.Ports) >= d.limits.ScanPorts &&
		c.scanned.within(wholeScan, d.at(), window, sent.Packets) &&
		d.flood.scans.within(scansAtOnce*wholeScan, d.at(), window, sent.Packets)
}

func (d *Detector) observeFlood(refused, contacts uint64) {
	d.rollFlood()
	d.flood.refused += refused
	d.flood.contacts += contacts
}

// rollFlood judges the second that is over.
func (d *Detector) rollFlood() {
	f := &d.flood
	now := d.at()
	if now == f.second {
		return
	}
	n := max(f.refused, f.contacts)
	if n < uint64(d.limits.Flood) || now-f.second > 2 {
		f.row, f.packets = 0, 0
	} else {
		f.row++
		f.packets += n
	}
	f.second, f.refused, f.contacts = now, 0, 0
	if f.row >= floodFor {
		d.raise(subject{rule: floods}, event.Medium, f.packets)
		f.packets = 0
	}
}
