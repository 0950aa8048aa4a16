package sequence

import (
	"hash/maphash"
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

// A source guesses once it has sent guesses wrong knocks within guessWindow,
// however few the ports, and until it has sent none for guessQuiet: n ports in
// all orders are n² sequences of two knocks. So there are few guesses a
// minute, and none in the time after them.
const (
	guesses     = 200
	guessWindow = time.Minute
	guessQuiet  = time.Minute
)

// A site has 65,536 networks of IPv6 (a /48, RFC 6177), each of which is a
// source of its own. All of them together are one too, with room for many
// people who mistype.
const (
	siteBits    = 48
	siteGuesses = 20 * guesses
)

// watch knows who is a scanner, or guesses. Anyone who has one IPv6 address has its
// whole /64, so that is the source.
type watch struct {
	seed    maphash.Seed // secret, or the ports could be chosen by the classes that they belong to
	sources scanners
	sites   scanners
}

// suspect is a source as the watch knows it, and its site.
type suspect struct{ network, site sender }

func (w *watch) suspect(s sender) suspect {
	if s.source.hi == 0 { // IPv4
		return suspect{network: s}
	}
	return suspect{w.hashed(source{hi: s.source.hi}), w.hashed(source{hi: s.source.hi >> (64 - siteBits) << (64 - siteBits), lo: siteMark})}
}

// siteMark tells a site from its first network.
const siteMark = siteBits

func (w *watch) hashed(s source) sender { return sender{s, maphash.Comparable(w.seed, s)} }

// ignores reports whether nothing counts that this source sends; its knock keeps
// it so.
func (w *watch) ignores(s suspect, now int64) bool {
	ignored := w.sources.silenced(s.network, now)
	return s.site.source != source{} && w.sites.silenced(s.site, now) || ignored
}

// wrong notes a wrong knock and reports whether it is the one by which nothing
// counts from now on that the source, or its site, sends. One that begins again
// after a completed sequence is no guess.
func (w *watch) wrong(s suspect, port packet.Port, guess bool, now int64) bool {
	class := uint64(1) << (maphash.Comparable(w.seed, uint32(port.Proto)<<16|uint32(port.Number)) >> 58)
	c := w.sources.note(s.network, now)
	c.ports |= class
	guess = guess && c.guessed(port, now)
	found := c.silence(bits.OnesCount64(c.ports) >= scanPorts, scanQuiet) || c.silence(c.guesses >= guesses, guessQuiet)
	if guess && s.site.source != (source{}) {
		site := w.sites.note(s.site, now)
		site.guessed(port, now)
		found = site.silence(site.guesses >= siteGuesses, guessQuiet) || found
	}
	return found
}

// scanners remembers recent wrong knocks in a table of fixed size. A source
// whose cell has been taken by newer ones is only forgotten: the strict reset
// still holds for it. A cell carries the whole source, so that nobody is taken
// for a scanner because of another.
type scanners struct {
	cells [scanRows][scanWays]scanCell
}

const (
	scanRows = 4096
	scanWays = 4
)

// scanCell fills a line of memory.
type scanCell struct {
	source  source
	ports   uint64 // a bit for each port seen, by hash: never more bits than ports
	since   int64  // nanoseconds: start of the window of ports
	last    int64  // nanoseconds: latest wrong knock
	minute  int64  // nanoseconds: start of the window of guesses
	quiet   uint32 // milliseconds without a knock that end the silence; 0: there is none
	guesses uint16
	latest  packet.Port // of the latest guess
}

// silenced reports whether nothing counts that a source sends now; its knock
// prolongs that.
func (t *scanners) silenced(s sender, now int64) bool {
	c := t.find(s)
	if c == nil || c.quiet == 0 || now-c.last >= int64(c.quiet)*int64(time.Millisecond) {
		return false
	}
	c.last = now
	return true
}

// note returns the cell of a source that has sent a wrong knock.
func (t *scanners) note(s sender, now int64) *scanCell {
	c := t.find(s)
	if c == nil {
		c = t.oldest(s)
		*c = scanCell{source: s.source, since: now, minute: now}
	}
	if c.quiet != 0 { // it has been quiet
		*c = scanCell{source: s.source, since: now, minute: now}
	}
	if now-c.since >= int64(scanWindow) {
		c.since, c.ports = now, 0
	}
	c.last = now
	return c
}

// guessed counts a guess and reports whether it was one: the same port again
// tries nothing new.
func (c *scanCell) guessed(port packet.Port, now int64) bool {
	if now-c.minute >= int64(guessWindow) {
		c.minute, c.guesses = now, 0
	}
	if c.guesses > 0 && c.latest == port {
		return false
	}
	c.latest = port
	c.guesses++
	return true
}

// silence begins a silence, if there is reason for one and none yet, and reports
// whether it has.
func (c *scanCell) silence(reason bool, quiet time.Duration) bool {
	if !reason || c.quiet != 0 {
		return false
	}
	c.quiet = uint32(quiet.Milliseconds())
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
