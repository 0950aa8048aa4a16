//go:build linux

// Package sessions follows the connections to doors: whose grants have let each of
// them in, so that those of one client can be cut and no others.
package sessions

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/conntrack"
	"sallyport/internal/control"
	"sallyport/internal/daemon/firstuse"
	"sallyport/internal/event"
	"sallyport/internal/grant"
	"sallyport/internal/packet"
)

// Sessions follows the connections to doors, and cuts them.
type Sessions struct {
	log      *slog.Logger
	table    *grant.Sessions
	book     *grant.Book
	doors    atomic.Pointer[map[packet.Port]*config.Door]
	own      func(netip.Addr) bool
	closed   closedPorts
	restored <-chan struct{} // closed when it is known which grants there are
	watching chan struct{}   // closed when the kernel reports connections
	orders   chan func(event.Owner) bool
}

// New returns the sessions of a table. Whose a new connection is, the book knows;
// restored is closed when it knows all. Own reports whether an address is this
// host's.
func New(log *slog.Logger, table *grant.Sessions, book *grant.Book, restored <-chan struct{}, own func(netip.Addr) bool, cfg *config.Config) *Sessions {
	s := &Sessions{log: log, table: table, book: book, own: own, restored: restored, watching: make(chan struct{}), orders: make(chan func(event.Owner) bool, 64)}
	s.guard(cfg)
	return s
}

// Close writes what is left.
func (s *Sessions) Close() error {
	if s == nil {
		return nil
	}
	return s.table.Close()
}

// Flow takes what the kernel reports of a connection.
func (s *Sessions) Flow(now time.Time, f conntrack.Flow) {
	switch {
	case f.Ended:
		s.table.Ended(f)
	case !f.Answered && s.door(f.Port) != nil:
		s.table.Begun(f, s.owners(f, now), now)
	}
}

// guard takes the doors of a configuration.
func (s *Sessions) guard(cfg *config.Config) {
	doors := doorsByPort(cfg)
	s.doors.Store(&doors)
	s.closed.guard(cfg)
}

func doorsByPort(cfg *config.Config) map[packet.Port]*config.Door {
	doors := make(map[packet.Port]*config.Door)
	for i := range cfg.Doors {
		for _, p := range cfg.Doors[i].Ports {
			doors[p] = &cfg.Doors[i]
		}
	}
	return doors
}

// door is the door at a port, nil if there is none.
func (s *Sessions) door(p packet.Port) *config.Door { return (*s.doors.Load())[p] }

// owners returns whose grants let a connection in that has begun just now.
func (s *Sessions) owners(f conntrack.Flow, now time.Time) []event.Owner {
	door := s.door(f.Port)
	if door == nil {
		return nil
	}
	return s.book.Owners(f.Source, door.Name, door.Widen(f.Source.BitLen()), firstuse.EarlyFor, now)
}

// Configure is called when other doors are watched: who is connected there has
// not come by a grant.
func (s *Sessions) Configure(cfg *config.Config) {
	s.guard(cfg)
	s.table.Lost()
	s.Reread(time.Now())
	s.look()
}

// Reread asks the kernel which connections there are.
func (s *Sessions) Reread(asked time.Time) {
	list, err := conntrack.List(func(p packet.Port) bool { return s.door(p) != nil })
	if err != nil {
		s.table.Lost()
		s.log.Warn("whose the connections to doors are is not known", "error", err)
		return
	}
	now := time.Now()
	s.table.Reread(list, asked, func(f conntrack.Flow) []event.Owner { return s.owners(f, now) }, now)
}

// Order has the connections cut that an owner's grants have let in. It waits only
// if so many are to be cut that there is no room to note it.
func (s *Sessions) Order(whose func(event.Owner) bool) {
	select {
	case s.orders <- whose:
	default:
		s.cutOwned(whose)
	}
}

// Run reads which connections there are, once it is known which grants are, and
// carries orders out until the context ends.
func (s *Sessions) Run(ctx context.Context) error {
	s.look()
	for _, known := range []<-chan struct{}{s.watching, s.restored} {
		select {
		case <-known:
		case <-ctx.Done():
			return nil
		}
	}
	s.Reread(time.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case whose := <-s.orders:
			s.cutOwned(whose)
		}
	}
}

func (s *Sessions) cutOwned(whose func(event.Owner) bool) {
	s.Reread(time.Now())
	_, err := s.cut(func(f conntrack.Flow, known *grant.Session, _ bool) bool {
		return known != nil && slices.ContainsFunc(known.Owners, whose)
	})
	if err != nil {
		s.log.Warn("connections were to be cut", "error", err)
	}
}

// Watching says that the kernel reports connections from now on. It is called once.
func (s *Sessions) Watching() { close(s.watching) }

// Lost says that connections may have begun or ended unseen.
func (s *Sessions) Lost() { s.table.Lost() }

// Mend tries once more to keep what could not be kept, and returns why connections
// are not kept for the next start.
func (s *Sessions) Mend() error { return s.table.Mend() }

// Ended is what an operator's order to cut connections has ended.
type Ended struct {
	Connections int
	BySource    int      // of these, the ones of which only the source was known
	Others      []string // who owned some of these beside the client
}

// Revoke cuts the connections that an operator asks for; grants are those that he has
// ended.
func (s *Sessions) Revoke(cfg *config.Config, q control.RevokeRequest, grants []event.Grant) (Ended, error) {
	done, err := s.cut(asked(cfg, q, q.Source.Unmap(), grants))
	return Ended{len(done), bySource(done), others(done, q.Client)}, err
}

// chooser decides whether to cut a connection. Known is nil if it is not known
// whose it is; complete says that it would be if a grant had let it in.
type chooser func(f conntrack.Flow, known *grant.Session, complete bool) bool

// cut ends the connections to doors that a chooser names, and returns whose they
// were; nil stands for one that is not known.
func (s *Sessions) cut(choose chooser) ([]*grant.Session, error) {
	complete := s.table.Complete()
	whose := make(map[conntrack.Flow]*grant.Session)
	done, err := conntrack.Cut(func(f conntrack.Flow) bool {
		if s.door(f.Port) == nil {
			return false
		}
		var known *grant.Session
		if found, ok := s.table.Find(f); ok {
			known = &found
		}
		whose[f.Name()] = known
		return choose(f, known, complete)
	})
	list := make([]*grant.Session, 0, len(done))
	for _, f := range done {
		list = append(list, whose[f.Name()])
	}
	return list, err
}

// asked chooses what an operator asks for. A client's connections are those that
// his grants have let in, whether or not the grants have ended. Where some are not
// known, those from the sources count whose grants have been ended.
func asked(cfg *config.Config, q control.RevokeRequest, source netip.Addr, ended []event.Grant) chooser {
	doors := doorsByPort(cfg)
	return func(f conntrack.Flow, known *grant.Session, complete bool) bool {
		door := doors[f.Port]
		switch {
		case door == nil, q.Door != "" && door.Name != q.Door, source.IsValid() && f.Source != source:
			return false
		case q.Client == "":
			return true
		case known != nil:
			return slices.ContainsFunc(known.Owners, func(o event.Owner) bool { return o.Is(q.Client) })
		}
		return !complete && slices.ContainsFunc(ended, func(g event.Grant) bool { return g.Covers(f.Source) && g.Door == door.Name })
	}
}

// bySource counts what was cut without knowing whose it was.
func bySource(done []*grant.Session) (n int) {
	for _, s := range done {
		if s == nil {
			n++
		}
	}
	return n
}

// others names who owned what was cut beside a client.
func others(done []*grant.Session, client string) (names []string) {
	for _, s := range done {
		if s == nil {
			continue
		}
		for _, o := range s.Owners {
			if o.Holder == event.Named && o.Client == client {
				continue
			}
			if name := o.String(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
