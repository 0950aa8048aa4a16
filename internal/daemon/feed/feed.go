//go:build linux

// Package feed keeps the latest events for those who follow the daemon. All of them
// read the same bounded memory, each from where it has got to: nobody who reads slowly,
// or not at all, costs anything or holds anything up. What is gone before it was read is
// counted. What strangers cause has a memory of its own, so that it never displaces the
// rest, and a rate at which it is kept.
package feed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

const (
	ownKept     = 4096 // events of clients, operators and the host
	hostileKept = 1024 // events that strangers cause

	// hostilePerSecond is how many of the latter are kept of one second: more than
	// anyone reads, and little enough that a reader far away follows.
	hostilePerSecond = 100

	batch = 256 // notices at a time
)

// item is one thing that has happened.
type item struct {
	id      uint64
	event   event.Event // without a kind: only changes
	changes []string
}

// ring holds the latest items.
type ring struct {
	items []item // in the order of their ids, from next on around
	next  int
}

func (r *ring) put(i item) {
	if len(r.items) < cap(r.items) {
		r.items = append(r.items, i)
		return
	}
	r.items[r.next] = i
	r.next = (r.next + 1) % len(r.items)
}

// after appends the items that are later than an id, at most so many.
func (r *ring) after(list []item, id uint64, most int) []item {
	n := len(r.items)
	first := sort.Search(n, func(i int) bool { return r.items[(r.next+i)%n].id > id })
	for i := first; i < n && i-first < most; i++ {
		list = append(list, r.items[(r.next+i)%n])
	}
	return list
}

// Feed is what can be followed. Its methods may be called by several goroutines at once.
type Feed struct {
	run string // of the daemon: ids of another mean nothing here

	mu           sync.Mutex
	last         uint64 // the latest id; every event takes one, kept or not
	own, hostile ring
	second       int64 // of the budget of what strangers cause
	kept         int   // of them in it
	wake         chan struct{}
}

// New returns an empty feed of a run of the daemon that has started then.
func New(started time.Time) *Feed {
	return &Feed{
		run:     strconv.FormatInt(started.UnixMicro(), 36),
		own:     ring{items: make([]item, 0, ownKept)},
		hostile: ring{items: make([]item, 0, hostileKept)},
	}
}

// Put takes an event. It never waits.
func (f *Feed) Put(e event.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	i := item{f.last, e, changes(e.Kind)}
	if !e.Hostile() {
		f.own.put(i)
	} else if f.admit(e.Time) {
		f.hostile.put(i)
	} else {
		return
	}
	f.alert()
}

// Changed notes that something is to be asked for again, though nothing has happened.
func (f *Feed) Changed(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.own.put(item{id: f.last, changes: []string{what}})
	f.alert()
}

func (f *Feed) admit(now time.Time) bool {
	if s := now.Unix(); s != f.second {
		f.second, f.kept = s, 0
	}
	f.kept++
	return f.kept <= hostilePerSecond
}

// alert wakes those who wait.
func (f *Feed) alert() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// changes says what is different after an event.
func changes(k event.Kind) []string {
	switch k {
	case event.KindGrant, event.KindExpiry, event.KindRevocation:
		return []string{"grants"}
	case event.KindBan:
		return []string{"bans"}
	case event.KindFinding, event.KindAck:
		return []string{"findings"}
	case event.KindAsked, event.KindAllowed, event.KindDeclined:
		return []string{"asks"}
	case event.KindEnrolment:
		return []string{"configuration"}
	case event.KindReload, event.KindStart, event.KindKey:
		return []string{"configuration", "grants", "problems"}
	case event.KindFailure, event.KindOverload, event.KindRepair:
		return []string{"problems"}
	}
	return nil
}

// Notices returns what is later than a notice. It waits until there is something, or the
// context ends. Without an id, it returns a notice of where the feed is at once; with one of
// another run of the daemon, of where the feed began, and all is to be asked for again.
func (f *Feed) Notices(ctx context.Context, q control.NoticesRequest) ([]control.Notice, error) {
	run, number, _ := strings.Cut(q.After, "-")
	id, err := strconv.ParseUint(number, 10, 64)
	if q.After != "" && (err != nil || run == "") {
		return nil, control.Wrong("give the id of a notice", "there is no notice %q", q.After)
	}
	for {
		list, wake := f.look(run, id)
		if len(list) > 0 {
			return list, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// look returns what there is, or what is closed when there is more.
func (f *Feed) look(run string, id uint64) ([]control.Notice, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case run == "":
		return []control.Notice{{ID: f.id(f.last)}}, nil
	case run != f.run || id > f.last:
		return []control.Notice{{ID: f.id(0), Restarted: true}}, nil // what there is of this run follows
	}
	items := f.hostile.after(f.own.after(nil, id, batch), id, batch)
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.id, b.id) })
	items = items[:min(len(items), batch)]
	if len(items) == 0 {
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		return nil, f.wake
	}
	list := make([]control.Notice, len(items))
	for i, is := range items {
		list[i] = control.Notice{ID: f.id(is.id), Missed: is.id - id - 1, Changes: is.changes}
		if is.event.Kind != "" {
			h := control.Happened(is.event)
			list[i].Event = &h
		}
		id = is.id
	}
	return list, nil
}

func (f *Feed) id(n uint64) string { return fmt.Sprintf("%s-%d", f.run, n) }
