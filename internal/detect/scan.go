package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
	"sallyport/internal/phrase"
)

var scanFast = &rule{
	name: "scan-fast",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has touched many closed ports within a short time: a port scan", who(l, f))
	},
	advice: "Nothing is open to it: a scan opens no door. If the address is one of yours, find out what runs there.",
	quiet:  10 * time.Minute,
	beyond: scanDistributed,
}

var scanSlow = &rule{
	name: "scan-slow",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s touches one closed port after the other, slowly enough to pass for noise: a patient port scan", who(l, f))
	},
	advice: "Someone takes the time to look at this host unnoticed. Nothing is open to it; look whether the address turns up in other logs.",
	quiet:  24 * time.Hour,
	beyond: scanDistributed,
}

// observeContacts takes the closed ports that one source has touched in a second.
func (d *Detector) observeContacts(e event.Event) {
	if !e.Source.IsValid() { // a sum over further sources
		d.observeFlood(0, e.Count.Packets)
		return
	}
	now := d.at()
	c := d.sources.make(e.Source, now)
	if !d.isScan(c, e.Count) {
		d.observeFlood(0, e.Count.Packets)
	}
	if e.Count = c.withoutKnocks(e.Count, now); e.Count.Ports == 0 {
		return
	}
	if d.alreadyTold(e, e.Count.Packets, scanFast, scanSlow, guesses) {
		return
	}
	if c.fast.sum > 0 && now-c.fast.since >= seconds(d.limits.ScanWindow) {
		if c.slow.sum > 0 && now-c.slow.since >= seconds(d.limits.SlowWindow) {
			c.slow = window{}
		}
		c.slow.merge(c.fast)
		c.fast = window{}
	}
	c.fast.add(e.Count, now)
	all := c.slow
	all.merge(c.fast)
	switch {
	case max(c.fast.ports(), int(e.Count.Ports)) >= d.limits.ScanPorts:
		d.raiseScan(scanFast, event.Low, c, c.fast, e)
	// What comes at once is a fast scan that has just begun, or none; and one
	// port that is tried again and again is none, so it must be known which they are.
	case all.bits != 0 && all.ports() >= c.patience(4)*d.limits.SlowPorts && c.fast.ports() <= d.limits.SlowPorts/2:
		d.raiseScan(scanSlow, event.Medium, c, all, e)
	case all.tries(c.patience(4)):
		d.raiseScan(scanSlow, event.Medium, c, all, e)
	case c.granted == 0:
		d.observeScanSource(e)
	}
}

func (d *Detector) raiseScan(r *rule, severity event.Severity, c *source, w window, e event.Event) {
	f := d.raise(subject{rule: r, source: e.Source}, severity, max(uint64(w.sum), e.Count.Packets))
	f.because("about %d closed ports in %s", max(w.ports(), int(e.Count.Ports)), phrase.Duration(time.Duration(d.at()-w.since+1)*time.Second))
	c.fast, c.slow = window{}, window{}
}

// observeScanner: the gate has stopped to count the knocks of this source,
// because of the many ports it touches.
func (d *Detector) observeScanner(e event.Event) {
	if d.alreadyTold(e, 1, scanFast, scanSlow, guesses) {
		return
	}
	d.raise(subject{rule: scanFast, source: e.Source}, event.Low, 1).because("its knocks no longer count")
}

// alreadyTold counts an event to the finding that tells this source's story already:
// anyone who guesses touches many ports, and anyone who scans breaks sequences.
func (d *Detector) alreadyTold(e event.Event, n uint64, rules ...*rule) bool {
	for _, r := range rules {
		if f := d.find(subject{rule: r, source: e.Source}); f != nil {
			f.count(d.now, n)
			return true
		}
	}
	return false
}

func seconds(t time.Duration) uint32 { return uint32(t / time.Second) }
