package detect

import (
	"math"
	"math/bits"
	"net/netip"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
	"sallyport/internal/phrase"
)

const (
	scanSourcesWindow  = 10 * time.Minute
	guessSourcesWindow = time.Hour

	// mistaken: of so many sources that get in, one more is expected that
	// breaks a sequence and gives up.
	mistaken = 20
)

var scanDistributed = &rule{
	name: "scan-distributed",
	explain: func(l lang.Lang, _ *event.Finding) string {
		return l.Say("many sources touch closed ports at the same time, each of them little: a scan spread over many addresses")
	},
	advice: "Nothing is open to them. If all of them look for the same port, read the news about the program that usually listens there.",
	quiet:  time.Hour,
	least:  event.Medium,
}

var guessesDistributed = &rule{
	name: "guessing-distributed",
	explain: func(l lang.Lang, _ *event.Finding) string {
		return l.Say("many sources begin sequences, break them off and never get in: someone guesses from many addresses")
	},
	advice: `Change the first knocks (sallyport door rotate), which are known or easily guessed, or open the doors by SPA only.`,
	quiet:  2 * time.Hour,
	least:  event.High,
}

// crowd counts different sources over two halves of a window, by linear
// counting: 8 KiB for up to 100,000 sources, however many there are.
type crowd struct {
	half    time.Duration
	started time.Time // of the present half
	now     [crowdWords]uint64
	before  [crowdWords]uint64
	bits    int // set in either
	usual   float64
	sample  [maxEvidence]netip.Addr
	sampled int
}

const (
	crowdWords = 512
	crowdBits  = crowdWords * 64
)

// add notes a source and returns about how many there are.
func (c *crowd) add(now time.Time, hash uint64, a netip.Addr) int {
	c.roll(now)
	word, bit := hash>>6%crowdWords, uint64(1)<<(hash%64)
	if (c.now[word]|c.before[word])&bit == 0 {
		c.bits++
		c.sample[c.sampled%maxEvidence] = a
		c.sampled++
	}
	c.now[word] |= bit
	return c.sources()
}

// sources estimates how many there were in the window.
func (c *crowd) sources() int {
	free := max(crowdBits-c.bits, 1)
	return int(math.Round(crowdBits * math.Log(float64(crowdBits)/float64(free))))
}

// roll begins another half when the present one is over.
func (c *crowd) roll(now time.Time) {
	for range 2 {
		if now.Sub(c.started) < c.half {
			return
		}
		c.learn()
		c.before, c.now = c.now, [crowdWords]uint64{}
		c.bits = 0
		for _, w := range c.before {
			c.bits += bits.OnesCount64(w)
		}
		c.started = c.started.Add(c.half)
	}
	if now.Sub(c.started) >= c.half {
		c.started = now
	}
}

// learn keeps an average of what is usual, into which a single burst hardly goes.
func (c *crowd) learn() {
	n := min(float64(c.sources()), 2*c.usual+50)
	c.usual += (n - c.usual) / 8
}

// exceeds reports whether so many sources are too many.
func (c *crowd) exceeds(n, limit int) bool { return n >= limit && float64(n) >= 4*c.usual }

// evidence is written only when there is room for it.
func (c *crowd) evidence(f *raised, n int) {
	if len(f.Evidence) > 0 {
		return
	}
	f.because("about %d sources within %s", n, phrase.Duration(2*c.half))
	for _, a := range c.sample {
		if a.IsValid() {
			f.because("%s", a)
		}
	}
}

func (d *Detector) observeScanSource(e event.Event) {
	n := d.scanning.add(d.now, hashOf(d.seed, e.Source), e.Source)
	if d.scanning.exceeds(n, d.limits.ScanSources) {
		d.scanning.evidence(d.raise(subject{rule: scanDistributed}, scanDistributed.least, e.Count.Packets), n)
	}
}

func (d *Detector) observeGuessSource(a netip.Addr) {
	n := d.guessing.add(d.now, hashOf(d.seed, a), a)
	if n >= d.limits.GuessSources+d.gettingIn.sources()/mistaken {
		d.guessing.evidence(d.raise(subject{rule: guessesDistributed}, guessesDistributed.least, 1), n)
	}
}

func (d *Detector) rollCrowds() {
	d.scanning.roll(d.now)
	d.guessing.roll(d.now)
	d.gettingIn.roll(d.now)
}
