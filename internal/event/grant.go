package event

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Grant is the permission of one source, or of all with its prefix, to use one
// door until a time.
type Grant struct {
	Door   string     `json:"door"`
	Source netip.Addr `json:"source"`
	Client string     `json:"client,omitempty"` // empty for a static sequence or an operator
	Until  time.Time  `json:"until"`
	Single bool       `json:"single"`           // used up by the first new connection
	Prefix int        `json:"prefix,omitempty"` // for all addresses with the first so many bits of the source; 0: the source alone

	Holder  Holder  `json:"holder,omitzero"` // with Client: whose it is: "operator"; "anyone" if that is not known; without it the client's, or of those who know the static sequence
	Message Message `json:"-"`               // what asked for its end; zero: no message
	Proof   Proof   `json:"-"`               // what it was given for; zero: not known, or an operator's word
}

// Proof names the key, secret or sequence for which a grant was given, by a hash.
type Proof [8]byte

// Holder says whose a grant is, together with the client's name.
type Holder uint8

// The holders of grants.
const (
	Named    Holder = iota // the client with that name; without a name, those who know the door's static sequence
	Operator               // an operator, who has opened the door by hand
	Anyone                 // not known: it counts as everybody's, so that ending any owner's grant ends it
)

// holders are their names in JSON.
var holders = []string{Named: "", Operator: "operator", Anyone: "anyone"}

// MarshalText names the holder.
func (h Holder) MarshalText() ([]byte, error) { return []byte(holders[h]), nil }

// UnmarshalText takes a name that it does not know for that of anyone, whose grant is
// everybody's to end.
func (h *Holder) UnmarshalText(text []byte) error {
	at := slices.Index(holders, string(text))
	if at < 0 {
		at = int(Anyone)
	}
	*h = Holder(at)
	return nil
}

// Message tells one SPA message of a client from all others of that client: its
// random bytes. The zero Message is none, or one that is not known any more.
type Message [8]byte

// Owner is whose a grant is. One door may be open for one source for several
// owners at once, each of whom has an end of his own.
type Owner struct {
	Client  string
	Holder  Holder
	Message Message
}

// Owner is whose a grant is.
func (g Grant) Owner() Owner { return Owner{g.Client, g.Holder, g.Message} }

// Same reports whether two owners are one, whatever they last sent.
func (o Owner) Same(other Owner) bool { return o.Client == other.Client && o.Holder == other.Holder }

// Is reports whether a client's grants are among what the owner has.
func (o Owner) Is(client string) bool {
	return o.Holder == Anyone || o.Holder == Named && o.Client == client
}

// Sent reports whether a message of a client asked for what the owner has.
func (o Owner) Sent(client string, m Message) bool {
	return o.Is(client) && (o.Holder == Anyone || o.Message == m)
}

// String names an owner for people.
func (o Owner) String() string {
	switch {
	case o.Holder == Operator:
		return "an operator"
	case o.Holder == Anyone:
		return "an owner who is not known"
	case o.Client == "":
		return "the static sequence"
	}
	return o.Client
}

// From is whom a grant lets in: the source alone, or all with the same prefix.
func (g Grant) From() netip.Prefix {
	source := g.Source.Unmap().WithZone("")
	bits := source.BitLen()
	if g.Prefix != 0 {
		bits = g.Prefix
	}
	p, _ := source.Prefix(bits) // the zero prefix for what is no address
	return p
}

// Covers reports whether a grant lets in packets from a source.
func (g Grant) Covers(source netip.Addr) bool {
	return g.From().Contains(source.Unmap().WithZone(""))
}

// For names whom a grant lets in: "192.0.2.7", or "192.0.2.7/24".
func (g Grant) For() string {
	if g.Prefix == 0 {
		return g.Source.String()
	}
	return fmt.Sprintf("%s/%d", g.Source, g.Prefix)
}

// Ban keeps a source out until a time.
type Ban struct {
	Source netip.Prefix `json:"source"`
	Until  time.Time    `json:"until"`
}

// BannedAs is what is banned with an address: of IPv6 its /64, because anyone who
// has one address of it has all.
func BannedAs(a netip.Addr) netip.Prefix { return BanLevels(a)[0] }

// BanLevels are the prefixes by which an address can be banned, the narrowest
// first. Providers give an IPv6 customer a /64, a /56 or a /48 (RFC 6177).
func BanLevels(a netip.Addr) []netip.Prefix {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	var levels []netip.Prefix
	for _, bits := range []int{64, 56, 48} {
		levels = append(levels, netip.PrefixFrom(a, bits).Masked())
	}
	return levels
}
