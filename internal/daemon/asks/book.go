//go:build linux

package asks

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/internal/askcode"
	"sallyport/internal/control"
	"sallyport/internal/event"
)

// Bounds. An ask is a line on an operator's screen and a message to his telephone, so
// they are small.
const (
	lasts     = 10 * time.Minute // an ask, and then a while what became of it
	most      = 64               // in all
	strangers = 48               // of those who have shown no key
	ofArea    = 8                // of those, from one /48 or IPv4 /24

	tries    = 5                // wrong codes for one ask
	allTries = 20               // wrong codes in all,
	within   = 10 * time.Minute // in this time
)

// ask is someone who wants to be let in.
type ask struct {
	id      string // for operators
	token   string // for the asker
	code    askcode.Code
	source  netip.Addr
	client  string // who has shown a key; empty: anyone
	bound   bool
	message event.Message // of that client
	door    string        // empty: the operator chooses
	note    string
	at      time.Time
	until   time.Time

	tries  int
	state  control.AskState
	opened string    // once allowed: the door
	ends   time.Time // and how long it is open
	taken  bool      // an operator has named the code, and the door is being opened

	known  *control.Lookup
	looked time.Time
}

// shut says why an ask is not taken.
type shut struct {
	reason string
	until  time.Time // of what is in the way
}

// book is all asks, the oldest first. It is not safe for concurrent use.
type book struct {
	list  []*ask
	wrong []time.Time // when a wrong code was named, for no ask in particular too
}

// network is what counts as one place: of IPv6 the /64, as anyone who has one address
// of it has all.
func network(a netip.Addr) netip.Prefix { return event.BannedAs(a) }

// area is what a provider gives one customer at most (RFC 6177), or close to it.
func area(a netip.Addr) netip.Prefix {
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // fails for what is no address
	return p
}

// add takes an ask. A client has one: a newer one takes its place, as its message
// cannot be sent by anyone else. Others cannot show that they are the same person, so
// their first one stays. A client displaces a stranger where there is no room.
func (b *book) add(now time.Time, a ask) (*ask, *shut) {
	b.sweep(now)
	if a.client != "" {
		b.end(func(o *ask) bool { return o.client == a.client })
		if len(b.waiting()) >= most {
			b.endOldest()
		}
	} else if s := b.refuses(a.source); s != nil {
		return nil, s
	}
	if len(b.waiting()) >= most {
		return nil, &shut{reason: control.AsksFull}
	}
	a.id, a.token = random(4), random(16)
	for a.client == "" && b.has(a.code) {
		a.code = askcode.Random()
	}
	a.at, a.until, a.state = now, now.Add(lasts), control.AskWaiting
	b.list = append(b.list, &a)
	b.forget()
	return &a, nil
}

// refuses returns why a stranger cannot ask from here.
func (b *book) refuses(source netip.Addr) *shut {
	all, near := 0, 0
	for _, o := range b.waiting() {
		switch {
		case o.client != "":
			continue
		case network(o.source) == network(source):
			return &shut{control.AskedAlready, o.until}
		case area(o.source) == area(source):
			near++
		}
		all++
	}
	if all >= strangers || near >= ofArea {
		return &shut{reason: control.AsksFull}
	}
	return nil
}

// endOldest makes room for a client.
func (b *book) endOldest() {
	for _, o := range b.waiting() {
		if o.client == "" && !o.taken {
			o.state = control.AskOver
			return
		}
	}
}

// forget keeps what has been decided in bounded memory: the latest.
func (b *book) forget() {
	for extra := len(b.list) - 2*most; extra > 0; extra-- {
		i := slices.IndexFunc(b.list, func(o *ask) bool { return o.state != control.AskWaiting })
		b.list = slices.Delete(b.list, i, i+1)
	}
}

func (b *book) has(c askcode.Code) bool {
	return slices.ContainsFunc(b.waiting(), func(o *ask) bool { return o.code.Equal(c) })
}

// waiting returns those who wait.
func (b *book) waiting() (list []*ask) {
	for _, o := range b.list {
		if o.state == control.AskWaiting {
			list = append(list, o)
		}
	}
	return list
}

// sweep ends what is over, and reports whether anything was.
func (b *book) sweep(now time.Time) bool {
	b.list = slices.DeleteFunc(b.list, func(o *ask) bool { return !now.Before(o.until.Add(lasts)) || now.Before(o.at.Add(-lasts)) })
	b.wrong = slices.DeleteFunc(b.wrong, func(t time.Time) bool { return now.Sub(t).Abs() >= within })
	return b.end(func(o *ask) bool { return !now.Before(o.until) })
}

// end ends what still waits, and reports whether anything did.
func (b *book) end(which func(*ask) bool) (any bool) {
	for _, o := range b.waiting() {
		if !o.taken && which(o) {
			o.state, any = control.AskOver, true
		}
	}
	return any
}

// wrongCode says that a code fits nothing that waits.
type wrongCode struct {
	left  int  // tries, for that ask or in all
	ended *ask // by this try; nil: none
	all   bool // too many wrong codes were named, whatever they were for
	twice bool // it fits more than one: say which is meant
}

// take finds the ask that has a code, and keeps it from all others until settle. Every
// code is compared, in constant time, whatever fits.
func (b *book) take(now time.Time, code askcode.Code, id string) (*ask, *wrongCode) {
	b.sweep(now)
	if len(b.wrong) >= allTries {
		return nil, &wrongCode{all: true}
	}
	var fits, meant []*ask
	for _, o := range b.waiting() {
		is := strings.HasPrefix(o.id, id)
		if is {
			meant = append(meant, o)
		}
		if equal := o.code.Equal(code); equal && is && !o.taken {
			fits = append(fits, o)
		}
	}
	switch {
	case len(fits) == 1:
		fits[0].taken = true
		return fits[0], nil
	case len(fits) > 1: // two devices have the same: the operator must say which
		return nil, &wrongCode{twice: true}
	}
	b.wrong = append(b.wrong, now)
	w := &wrongCode{left: allTries - len(b.wrong)}
	if id != "" && len(meant) == 1 && !meant[0].taken {
		o := meant[0]
		o.tries++
		w.left = min(w.left, tries-o.tries)
		if o.tries >= tries {
			o.state, w.ended = control.AskOver, o
		}
	}
	return nil, w
}

// settle ends what take has begun. Without a door it waits on.
func (o *ask) settle(door string, ends time.Time) {
	o.taken = false
	if door != "" {
		o.state, o.opened, o.ends = control.AskAllowed, door, ends
	}
}

// find returns the asks whose id begins so and which wait.
func (b *book) find(id string) (list []*ask) {
	for _, o := range b.waiting() {
		if id != "" && strings.HasPrefix(o.id, id) {
			list = append(list, o)
		}
	}
	return list
}

// of returns the ask of an asker, whatever became of it; nil: there is none.
func (b *book) of(token string) (found *ask) {
	for _, o := range b.list {
		if subtle.ConstantTimeCompare([]byte(o.token), []byte(token)) == 1 {
			found = o
		}
	}
	return found
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// byTime orders for people: who has waited longest comes first.
func byTime(a, b *ask) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) }
