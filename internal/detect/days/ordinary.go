package days

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

// What is ordinary: so many people knock so often on a working day, and make
// these mistakes.
const (
	People     = 500
	offices    = 12 // with up to 30 of them behind one address
	KnocksADay = 10_000
	NoiseADay  = 15_000 // sources of the Internet that try a few ports

	lost      = 0.01  // packets that do not arrive
	mistyped  = 0.02  // sequences with a wrong knock
	wrongDoor = 0.01  // SPA messages for a door that is not theirs
	copied    = 0.01  // SPA messages that the network doubles
	clockOff  = 0.005 // SPA messages with a time that is off, until it is put right
	onTheMove = 0.02  // knocks after which someone changes networks
	givesUp   = 0.2   // tries that are not repeated after a failure
	badLogin  = 0.05  // grants after which a password is mistyped
)

// person is someone with a way in.
type person struct {
	name   string
	home   netip.Addr
	away   netip.Addr
	way    event.Reason
	door   string
	knocks []packet.Port
}

func (w *world) people() []person {
	list := make([]person, People)
	for i := range list {
		p := &list[i]
		p.name = fmt.Sprintf("p%d", i)
		p.home, p.away = Addr(0x50000000+w.Uint32N(1<<24)), Addr(0x60000000+w.Uint32N(1<<24))
		if w.chance(0.4) {
			p.home = Addr(0x51000000 + 256*w.Uint32N(offices))
		}
		door := &w.cfg.Doors[w.IntN(len(w.cfg.Doors))]
		p.door, p.knocks = door.Name, door.Sequence
		p.way = []event.Reason{event.BySequence, event.BySPA, event.BySequence, event.ByRotating}[w.IntN(4)]
		if p.way == event.BySequence {
			p.name = ""
		}
	}
	return list
}

// ordinary plans a day: most knocks in working hours, noise at all times.
func (w *world) ordinary(from time.Time, length time.Duration) {
	people := w.people()
	share := float64(length) / float64(24*time.Hour)
	for range int(KnocksADay * share) {
		p := &people[w.IntN(len(people))]
		at := from.Add(w.between(0, length))
		if length > 12*time.Hour && w.chance(0.8) { // work begins at eight, for most at nine
			at = from.Add(8*time.Hour + min(time.Duration(w.ExpFloat64()*float64(3*time.Hour)), w.between(0, 9*time.Hour)))
		}
		w.at(at, func() { w.knock(p, p.home, 0) })
	}
	for range int(NoiseADay * share) {
		w.at(from.Add(w.between(0, length)), w.noise)
	}
}

// knock is one try of a person to get in, and what follows from it.
func (w *world) knock(p *person, from netip.Addr, tries int) {
	if w.chance(onTheMove) && tries == 0 { // and there it stays for a while
		w.after(w.between(time.Minute, time.Hour), func() {
			p.home, p.away = p.away, p.home
			w.knock(p, p.home, 1)
		})
	}
	began := w.now
	took := time.Second
	switch p.way {
	case event.BySPA:
		w.message(p, from)
	case event.ByRotating:
		took = w.rotating(p, from)
	default:
		took = w.sequence(p, from)
	}
	w.after(took+w.between(2*time.Second, 20*time.Second), func() {
		if !w.gotIn[from].Before(began) || tries >= 5 || w.chance(givesUp) {
			return
		}
		w.knock(p, from, tries+1)
	})
}

// sequence knocks as people and programs do.
func (w *world) sequence(p *person, from netip.Addr) (took time.Duration) {
	gap := w.between(20*time.Millisecond, 400*time.Millisecond)
	if w.chance(0.1) { // by hand
		gap = w.between(500*time.Millisecond, 4*time.Second)
	}
	wrong := -1
	if w.chance(mistyped) {
		wrong = w.IntN(len(p.knocks))
	}
	for i, port := range p.knocks {
		if i == wrong {
			port.Number += uint16(1 + w.IntN(9))
		}
		if w.chance(lost) {
			continue
		}
		w.after(time.Duration(i)*gap, func() { w.send(from, port) })
	}
	took = time.Duration(len(p.knocks)) * gap
	w.after(took+time.Second, func() { w.login(from) })
	return took
}

// rotating stands for a rotating sequence: other ports each time, which the gate
// would know for right knocks.
func (w *world) rotating(p *person, from netip.Addr) (took time.Duration) {
	for i := range 5 {
		port := packet.Port{Proto: packet.TCP, Number: uint16(1024 + w.IntN(31_000))}
		w.after(time.Duration(i)*50*time.Millisecond, func() {
			w.touch(&packet.Packet{Src: from, Proto: port.Proto, DstPort: port.Number})
		})
	}
	w.after(250*time.Millisecond, func() {
		if !w.chance(5 * lost) {
			w.granted(p.door, p.name, from, event.ByRotating)
		}
		if w.chance(copied) {
			w.event(event.Event{Kind: event.KindRefusal, Reason: event.UsedStep, Source: from, Door: p.door, Client: p.name})
		}
	})
	return 250 * time.Millisecond
}

// message stands for an SPA message.
func (w *world) message(p *person, from netip.Addr) {
	refuse := func(r event.Reason) {
		w.event(event.Event{Kind: event.KindRefusal, Reason: r, Source: from, Client: p.name})
	}
	switch {
	case w.chance(lost):
	case w.chance(wrongDoor):
		refuse(event.ForbiddenDoor)
	case w.chance(clockOff):
		refuse(event.StaleTime)
	default:
		w.granted(p.door, p.name, from, event.BySPA)
		if w.chance(copied) {
			refuse(event.Replayed)
		}
		w.after(time.Second, func() { w.login(from) })
	}
}

func (w *world) login(from netip.Addr) {
	reason := event.LoginAccepted
	for w.chance(badLogin) {
		w.event(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: from})
	}
	w.event(event.Event{Kind: event.KindLogin, Reason: reason, Source: from})
}

// Popular are the ports that the Internet's noise tries most.
var Popular = []uint16{23, 22, 80, 8080, 443, 3389, 445, 5900, 2323, 81, 8443, 25, 3306, 6379, 5555, 1433, 8088, 5060, 53, 123, 161, 1900, 11211, 9200, 27017, 7001, 9000}

// noise is a source of the Internet that tries a port or a few, now and then.
func (w *world) noise() {
	from := w.stranger()
	at := time.Duration(0)
	for ports := 0; ports < 10 && (ports == 0 || w.chance(0.4)); ports++ {
		port := packet.Port{Proto: packet.TCP, Number: Popular[int(float64(len(Popular))*w.Float64()*w.Float64())]}
		if w.chance(0.15) {
			port.Number = uint16(1 + w.IntN(65535))
		}
		if w.chance(0.15) {
			port.Proto = packet.UDP
		}
		p := packet.Packet{Src: from, Dst: Here, Proto: port.Proto, DstPort: port.Number, SrcPort: uint16(1024 + w.IntN(60000)), Seq: w.Uint32(), Flags: packet.SYN}
		for try := range 1 + w.IntN(3) { // the same packet again, as hosts do
			w.after(at+time.Duration(1<<try)*time.Second, func() { w.deliver(&p) })
		}
		at += w.between(time.Second, 2*time.Hour)
	}
}

// Day is what an ordinary day has brought.
type Day struct {
	Grants, Events int
	Info           map[string]int  // findings that are no more than info, by rule
	Above          []event.Finding // the others: none is right
}

// Ordinary runs an ordinary day.
func Ordinary(cfg *config.Config, seed, day uint64) Day {
	w := newWorld(cfg, seed, day)
	w.ordinary(Begin, 24*time.Hour)
	w.run(Begin.Add(26 * time.Hour))
	d := Day{Grants: w.grants, Events: w.events, Info: make(map[string]int), Above: w.above()}
	for _, f := range w.found {
		if f.Severity == event.Info {
			d.Info[f.Rule]++
		}
	}
	return d
}
