// Package observe counts who uses which port of a host while nothing is closed,
// so that it is known beforehand who would be shut out, which ports nobody uses,
// and which doors and clients to make.
//
// It closes nothing and opens nothing. Whatever strangers send, memory and the
// file stay bounded: so many ports, so many sources for each; the source that
// has come least often makes room, and is counted among the others.
//
// It is pure: times are handed in.
package observe

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/packet"
	"sallyport/internal/strictjson"
)

// Bounds of what is kept. MaxFile is more than a record of these sizes takes.
const (
	maxPorts   = 128
	maxSources = 128
	MaxFile    = 8 << 20
)

// Record is what has been seen.
type Record struct {
	Since  time.Time     `json:"since"`  // of the first observation
	Latest time.Time     `json:"latest"` // until when
	Watch  time.Duration `json:"watch"`  // how long in all; breaks do not count
	Lost   uint64        `json:"lost"`   // how often the kernel dropped reports
	Ports  []*Port       `json:"ports"`
}

// Port is one at which something listens.
type Port struct {
	Port        string    `json:"port"` // "tcp/22"
	Door        string    `json:"door"` // a name for it
	Connections uint64    `json:"connections"`
	Sources     []*Source `json:"sources"`
	Others      uint64    `json:"others"` // connections of sources that made room
}

// Source is an IPv4 address or an IPv6 network of 64 bits, which is what one
// customer has.
type Source struct {
	Prefix      netip.Prefix `json:"prefix"`
	Connections uint64       `json:"connections"`
	First       time.Time    `json:"first"`
	Last        time.Time    `json:"last"`
}

// Listen adds a port at which something listens. It reports whether there is room.
func (r *Record) Listen(p packet.Port, door string) bool {
	if r.port(p.String()) != nil {
		return true
	}
	if len(r.Ports) == maxPorts {
		return false
	}
	for r.named(door) {
		door = fmt.Sprintf("%s-%d", p.Proto, p.Number)
	}
	r.Ports = append(r.Ports, &Port{Port: p.String(), Door: door})
	return true
}

func (r *Record) named(door string) bool {
	return slices.ContainsFunc(r.Ports, func(p *Port) bool { return p.Door == door })
}

func (r *Record) port(text string) *Port {
	i := slices.IndexFunc(r.Ports, func(p *Port) bool { return p.Port == text })
	if i < 0 {
		return nil
	}
	return r.Ports[i]
}

// Connection counts one that has been answered, which a forged source cannot
// bring about over TCP.
func (r *Record) Connection(now time.Time, from netip.Addr, to packet.Port) {
	p := r.port(to.String())
	if p == nil {
		return
	}
	p.Connections++
	s := p.source(place(from))
	s.Connections++
	s.Last = now
	if s.First.IsZero() {
		s.First = now
	}
}

// place is what stands for a source.
func place(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// source returns the entry of a source. Where there is no room, the one that has
// come least often, and of those the one that has been away longest, makes room:
// those who come often are not pushed out by strangers who come once.
func (p *Port) source(at netip.Prefix) *Source {
	for _, s := range p.Sources {
		if s.Prefix == at {
			return s
		}
	}
	fresh := &Source{Prefix: at}
	if len(p.Sources) < maxSources {
		p.Sources = append(p.Sources, fresh)
		return fresh
	}
	least := slices.MinFunc(p.Sources, func(a, b *Source) int {
		return cmp.Or(cmp.Compare(a.Connections, b.Connections), a.Last.Compare(b.Last))
	})
	p.Others += least.Connections
	*least = *fresh
	return least
}

// Encode writes a record for a file.
func (r *Record) Encode() ([]byte, error) { return json.Marshal(r) }

// Decode reads one.
func Decode(text []byte) (*Record, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("has more than %d bytes", MaxFile)
	}
	r := new(Record)
	if err := strictjson.Unmarshal(text, r); err != nil {
		return nil, errBroken // not in the words of the decoder
	}
	if len(r.Ports) > maxPorts || r.Watch < 0 || r.Since.IsZero() {
		return nil, errBroken
	}
	for i, p := range r.Ports {
		if p == nil || len(p.Sources) > maxSources || slices.Contains(p.Sources, nil) || r.port(p.Port) != r.Ports[i] {
			return nil, errBroken
		}
		if port, err := packet.ParsePort(p.Port); err != nil || port.String() != p.Port {
			return nil, errBroken
		}
	}
	return r, nil
}

var errBroken = errors.New("is no record of what was observed: remove it, and observe again")
