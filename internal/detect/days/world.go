// Package days simulates what a host sees: ordinary days of many people with
// their mistakes, and attacks of every kind in the middle of them. The real gate
// and the real detection judge them, in simulated time, from a seed.
package days

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
)

// Settings are those of the simulated host; what [detect] says may be added.
const Settings = `
[gate]
rotation_due = "90d"
[[door]]
name = "ssh"
ports = ["tcp/22"]
sequence = ["tcp/17043", "udp/8124", "tcp/29017", "tcp/6203"]
changed = 2029-12-20
[[door]]
name = "web"
ports = ["tcp/8443"]
sequence = ["tcp/14107", "tcp/12041", "udp/23307"]
changed = 2029-12-20
`

// Begin is midnight before the simulated day.
var Begin = time.Date(2030, 1, 7, 0, 0, 0, 0, time.UTC)

// Here is the address of the host.
var Here = netip.MustParseAddr("192.0.2.1")

// world is a host with its gate and its detection, in simulated time.
type world struct {
	*rand.Rand
	cfg      *config.Config
	gate     *gate.Gate
	detector *detect.Detector
	now      time.Time
	queue    queue
	serial   int
	touched  map[netip.Addr]*event.Contacts // in this second
	ports    map[netip.Addr]map[packet.Port]bool
	grants   int
	gotIn    map[netip.Addr]time.Time
	events   int
	found    map[string]event.Finding
	first    map[string]time.Time // when each finding was told, by ID and severity
}

// item is something that happens.
type item struct {
	at     time.Time
	serial int
	do     func()
}

type queue []item

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), cmp.Compare(q[i].serial, q[j].serial)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(item)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func newWorld(cfg *config.Config, seed, stream uint64) *world {
	return &world{
		Rand:     rand.New(rand.NewPCG(seed, stream)),
		cfg:      cfg,
		gate:     gate.New(cfg, gate.SPA{}, gate.Host{Addresses: []netip.Addr{Here}, Ephemeral: [2]uint16{32768, 60999}}, Begin),
		detector: detect.New(detect.Options{Config: cfg, UsesWatched: true}, Begin),
		now:      Begin,
		gotIn:    make(map[netip.Addr]time.Time),
		touched:  make(map[netip.Addr]*event.Contacts),
		ports:    make(map[netip.Addr]map[packet.Port]bool),
		found:    make(map[string]event.Finding),
		first:    make(map[string]time.Time),
	}
}

// at has something happen at a time.
func (w *world) at(t time.Time, do func()) {
	w.serial++
	heap.Push(&w.queue, item{t, w.serial, do})
}

// after is the same, from now on.
func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// run lets time pass, with a tick each second.
func (w *world) run(until time.Time) {
	for w.now.Before(until) {
		next := w.now.Truncate(time.Second).Add(time.Second)
		for len(w.queue) > 0 && w.queue[0].at.Before(next) {
			i := heap.Pop(&w.queue).(item)
			w.now = i.at
			i.do()
		}
		w.now = next
		w.settle()
		w.take(w.detector.Tick(w.now))
		w.take(w.detector.Counted())
	}
}

// settle reports who has touched closed ports in the second that is over.
func (w *world) settle() {
	for _, a := range slices.SortedFunc(maps.Keys(w.touched), netip.Addr.Compare) {
		c := w.touched[a]
		c.Ports = uint32(len(w.ports[a]))
		w.event(event.Event{Time: c.Last, Kind: event.KindContacts, Source: a, Count: *c})
	}
	clear(w.touched)
	clear(w.ports)
}

func (w *world) event(e event.Event) {
	if e.Time.IsZero() {
		e.Time = w.now
	}
	w.events++
	w.take(w.detector.Observe(e))
}

func (w *world) take(list []event.Finding) {
	for _, f := range list {
		w.found[f.ID] = f
		if as := f.ID + string(f.Severity); w.first[as].IsZero() {
			w.first[as] = w.now
		}
	}
}

// send has the gate decide about a packet.
func (w *world) send(from netip.Addr, to packet.Port) {
	p := packet.Packet{Src: from, Dst: Here, Proto: to.Proto, DstPort: to.Number, SrcPort: uint16(w.IntN(60000) + 1024), Seq: w.Uint32()}
	if to.Proto == packet.TCP {
		p.Flags = packet.SYN
	}
	w.deliver(&p)
}

func (w *world) deliver(p *packet.Packet) {
	if w.gate.Touches(p) {
		w.touch(p)
	}
	for _, d := range w.gate.Observe(w.now, p) {
		if d.Kind != event.KindGrant {
			w.event(d.Event(w.now))
			continue
		}
		for _, g := range d.Grants {
			w.granted(g.Door, g.Client, g.Source, d.Reason)
		}
	}
}

func (w *world) touch(p *packet.Packet) {
	c := w.touched[p.Src]
	if c == nil {
		c = &event.Contacts{First: w.now}
		w.touched[p.Src] = c
		w.ports[p.Src] = make(map[packet.Port]bool)
	}
	c.Packets++
	c.Last = w.now
	c.Seen |= event.PortBit(p.Port())
	w.ports[p.Src][p.Port()] = true
}

// granted tells of a grant, of the connection that almost always uses it, and
// of its end.
func (w *world) granted(door, client string, source netip.Addr, by event.Reason) {
	w.grants++
	w.gotIn[source] = w.now
	w.event(event.Event{Kind: event.KindGrant, Door: door, Client: client, Source: source, Reason: by})
	if w.Float64() < 0.98 {
		w.after(w.between(200*time.Millisecond, 5*time.Second), func() {
			w.event(event.Event{Kind: event.KindUse, Door: door, Client: client, Source: source})
		})
	}
	w.after(30*time.Second, func() {
		w.event(event.Event{Kind: event.KindExpiry, Door: door, Client: client, Source: source})
	})
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.Int64N(int64(most-least)))
}

// chance is true so often.
func (w *world) chance(p float64) bool { return w.Float64() < p }

// Addr is the IPv4 address of that number.
func Addr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// stranger is an address of the Internet that no client has.
func (w *world) stranger() netip.Addr { return Addr(0x2d000000 + w.Uint32N(1<<26)) }

// above returns the findings that are more severe than info, sorted.
func (w *world) above() []event.Finding {
	var list []event.Finding
	for _, f := range w.found {
		if f.Severity != event.Info {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b event.Finding) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.ID, b.ID)) })
	return list
}
