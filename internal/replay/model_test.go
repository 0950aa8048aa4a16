package replay

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive remembers everything, for ever.
type naive map[key]Message

func (n naive) verdict(m Message) Verdict {
	old, ok := n[key{m.Client, m.R}]
	switch {
	case !ok:
		return Fresh
	case old.Mark != m.Mark:
		return Reused
	case old.Source != m.Source:
		return Intercepted
	}
	return Repeated
}

// machine runs a store as a host does, through restarts and power losses.
type machine struct {
	files  *memory
	store  *Store
	guard  *Guard
	model  naive
	now    time.Time
	top    time.Time // latest that the clock has shown
	safe   time.Time // from then on fresh messages must be accepted
	latest time.Time // latest stamp that the store was asked to record
	boot   int
	lost   map[key]bool // records that a loss of power took
	failed map[key]bool // messages that could not be recorded; they may stay seen
	back   bool         // the clock was set back since
}

func (h *machine) start(t *rapid.T, trouble bool) {
	var notices []Notice
	h.store, h.guard, notices = open(h.files, small, fmt.Sprint(h.boot), window, h.now)
	if h.files.room < 0 && (len(notices) > 0) != trouble {
		t.Fatalf("notices %v: trouble is %v", notices, trouble)
	}
	if !trouble {
		return
	}
	// The barrier, and how far the disk's ceiling may be above what was recorded.
	for _, until := range []time.Time{h.now.Add(window + time.Millisecond), h.latest.Add(reserve + time.Millisecond)} {
		if until.After(h.safe) {
			h.safe = until
		}
	}
}

// arrive lets one message come in and checks the verdict.
func (h *machine) arrive(t *rapid.T, m Message) {
	k := key{m.Client, m.R}
	if h.lost[k] && (h.back || h.now.Sub(m.Stamped).Abs() > window || !m.Stamped.Equal(h.model[k].Stamped)) {
		return // beyond what the guard promises, or refused as stale before it is asked, or not the lost message
	}
	want := h.model.verdict(m)
	r, got := h.guard.Admit(m, h.now)
	switch {
	case want != Fresh && got != want && got != Forgotten:
		t.Fatalf("a message seen before is %s: want %s or forgotten", got, want)
	case want == Fresh && got == Forgotten && !h.now.Before(h.top) && m.Stamped.After(h.safe) && m.Stamped.After(h.now.Add(-window)):
		t.Fatal("a fresh message is forgotten, with a clock that was not set back")
	case want == Fresh && got != Fresh && got != Forgotten && got != Full && got != Crowding && !h.failed[k]:
		t.Fatalf("a message never seen is %s", got)
	}
	if got != Fresh {
		return
	}
	if m.Stamped.After(h.latest) {
		h.latest = m.Stamped
	}
	if err := h.store.Append(r); err != nil {
		h.failed[k] = true
		return
	}
	h.model[k] = m
}

func TestAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &machine{files: newMemory(), model: naive{}, lost: map[key]bool{}, failed: map[key]bool{}, now: start, top: start}
		h.start(t, true)
		draw := func(label string, low, high int) int { return rapid.IntRange(low, high).Draw(t, label) }
		t.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				m := of(draw("client", 1, 3), msg(draw("r", 0, 60), h.now.Add(time.Duration(draw("stamp", -60, 60))*time.Second)))
				m.Mark[7] = byte(draw("mark", 0, 1))
				m.Source = []Message{{Source: home}, {Source: other}}[draw("source", 0, 1)].Source
				h.arrive(t, m)
			},
			"replay": func(t *rapid.T) {
				for _, m := range h.model {
					h.arrive(t, m)
				}
			},
			"wait": func(*rapid.T) {
				h.now = h.now.Add(time.Duration(draw("seconds", 0, 90)) * time.Second)
				if h.now.After(h.top) {
					h.top = h.now
				}
			},
			"set clock back": func(*rapid.T) {
				h.back = true
				h.now = h.now.Add(-time.Duration(draw("back", 1, 300)) * time.Second)
			},
			"kill":            func(t *rapid.T) { h.start(t, false) },
			"disk full":       func(*rapid.T) { h.files.room = draw("room", 1, 4) },
			"room again":      func(*rapid.T) { h.files.room = -1 },
			"reboot in order": h.rebootInOrder,
			"power loss":      h.powerLoss,
			"": func(t *rapid.T) {
				if h.guard.Len() > small.most*small.generation {
					t.Fatalf("%d messages are remembered", h.guard.Len())
				}
			},
		})
	})
}

func (h *machine) rebootInOrder(t *rapid.T) {
	h.files.room = -1
	if !h.store.begun { // could not be written since it was opened, so Close cannot vouch for it
		h.powerLoss(t)
		return
	}
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.boot++
	h.files.powerLoss()
	h.start(t, false)
}

// powerLoss loses what was not synced. It happens when the clock shows its
// latest time: that the clock goes back as well is beyond what the guard
// promises.
func (h *machine) powerLoss(t *rapid.T) {
	h.files.room = -1
	if h.now.Before(h.top) {
		h.now = h.top
	}
	h.boot++
	h.files.powerLoss()
	h.start(t, true)
	h.back = false
	for k := range h.model {
		_, ok := h.guard.seen[k]
		h.lost[k] = !ok
	}
}
