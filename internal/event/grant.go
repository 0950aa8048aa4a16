package event

import (
	"fmt"
	"net/netip"
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

// BannedAs is what is banned with an address: of IPv6 its /64, because whoever
// has one address of it has all.
func BannedAs(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}
