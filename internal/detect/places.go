package detect

import (
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

var twoPlaces = &rule{
	name: "two-places",
	explain: func(l lang.Lang, f *event.Finding) string {
		if f.Severity == event.Info {
			return l.Sayf("%s has opened doors from two networks shortly after each other: it has moved, or someone else has its key", who(l, f))
		}
		return l.Sayf("%s opens doors from two networks in turns: two devices have the same key", who(l, f))
	},
	advice: "Ask the person whether both are theirs. If not, the key was stolen: remove it (sallyport client remove), which ends its grants. Give each device a key of its own.",
	quiet:  time.Hour,
	ours:   true,
}

var newCountry = &rule{
	name: "new-country",
	explain: func(l lang.Lang, f *event.Finding) string {
		return l.Sayf("%s has opened a door from a country that it has never come from", who(l, f))
	},
	advice: "Ask the person whether they travel, or use a VPN. If not, the key was stolen: remove it (sallyport client remove).",
	quiet:  24 * time.Hour,
	ours:   true,
}

const maxCountries = 16 // of a client; beyond that it is at home everywhere

// inTurns is how many moves within two_places make two devices: a phone between
// two networks moves there and back.
const inTurns = 3

// places is where a client came from last, and how often it has moved lately.
type places struct {
	now   place
	moves tally
}

type place struct {
	network netip.Prefix
	source  netip.Addr
	at      uint32
}

// networkOf is what is taken for one place. Providers give the same customer
// now this, now that address of a network.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits)
	return p
}

// observePlace takes a grant of a client.
func (d *Detector) observePlace(e event.Event) {
	source := e.Source.Unmap()
	c := d.ofClient(e.Client)
	family := &c.places[0]
	if source.Is6() {
		family = &c.places[1]
	}
	here := place{networkOf(source), source, d.at()}
	if family.now.network != here.network {
		d.moved(e, family, here)
	}
	family.now = here
	d.observeCountry(c, e)
}

// moved: once to another network is what happens to people on their way. There
// and back again and again, it is two who take turns.
func (d *Detector) moved(e event.Event, p *places, here place) {
	window := seconds(d.limits.TwoPlaces)
	if p.now.at == 0 || here.at-p.now.at >= window {
		return
	}
	severity := event.Info
	if p.moves.add(here.at, window) >= inTurns {
		severity = event.Medium
	}
	f := d.raise(subject{rule: twoPlaces, client: e.Client}, severity, 1)
	f.Source = e.Source
	f.because("%s, and %s before that", here.source, p.now.source)
}

func (d *Detector) observeCountry(c *client, e event.Event) {
	if d.opts.Country == nil {
		return
	}
	country := d.opts.Country(e.Source)
	if country == "" || slices.Contains(c.countries, country) || len(c.countries) >= maxCountries {
		return
	}
	c.countries = append(c.countries, country)
	if len(c.countries) > 1 {
		f := d.raise(subject{rule: newCountry, client: e.Client}, event.Medium, 1)
		f.Source = e.Source
		f.because("%s is in %s; known are %v", e.Source, country, c.countries[:len(c.countries)-1])
	}
}
