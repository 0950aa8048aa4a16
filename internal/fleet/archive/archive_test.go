package archive_test

import (
	"context"
	"errors"
	"testing"

	. "sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/storetest"
)

// world is a store with the roll of a fleet in it.
type world struct {
	*testing.T
	*rolltest.Fleet
	store *storetest.Double
	view  *View
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, Fleet: rolltest.New(t), store: storetest.New()}
	if err := Found(t.Context(), w.store, w.Entries[0]); err != nil {
		t.Fatal(err)
	}
	w.view = w.load(nil, w.Head)
	return w
}

func (w *world) load(known *roll.State, pin roll.Head) *View {
	w.Helper()
	v, err := Load(w.Context(), w.store, known, pin)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// add has alice add an entry by way of the store.
func (w *world) add(changes ...roll.Change) {
	w.Helper()
	at := len(w.Entries)
	w.Append(changes...)
	for _, e := range w.Entries[at:] {
		if err := w.view.Append(w.Context(), w.store, e); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) put(key string, value []byte) {
	w.Helper()
	if _, err := w.store.Commit(w.Context(), nil, []store.Write{{Key: key, Value: value, Delete: value == nil}}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) has(key string) bool {
	w.Helper()
	page, err := w.store.Read(w.Context(), store.Query{Prefix: key})
	if err != nil {
		w.Fatal(err)
	}
	return len(page.Records) > 0
}

func TestLoad(t *testing.T) {
	w := newWorld(t)
	pin, early := w.Head, w.State.Clone()
	w.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")})
	w.add(roll.Revoke{Name: "carol"})
	for what, v := range map[string]*View{
		"from entry 0": w.load(nil, pin), "from the head": w.load(nil, w.Head), "on from a state": w.load(early, pin), "on from the last": w.load(w.State, pin),
	} {
		if v.Head != w.Head || !v.Clients["carol"].Revoked || v.Problem != nil {
			t.Errorf("%s: %v, %v", what, v.Head, v.Problem)
		}
	}
	if early.Head != pin {
		t.Error("what was known has changed")
	}
	if err := Found(t.Context(), w.store, rolltest.New(t).Entries[0]); err == nil {
		t.Error("a second fleet was founded in the store")
	}
}

func TestTheLoserSignsAgain(t *testing.T) {
	w := newWorld(t)
	other := w.load(nil, w.Head)
	e := w.Next(w.Operator, roll.ClientAdd{Client: rolltest.Client(t, "dave")})
	w.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")})
	if err := other.Append(t.Context(), w.store, e); !errors.Is(err, ErrLost) {
		t.Fatalf("the second one: %v", err)
	}
	if v := w.load(other.State, roll.Head{}); v.Head != w.Head || len(v.Clients) != 1 {
		t.Error("the first one is not what counts")
	}
}

// What others put into the store counts for nothing, and does not stay in the way.
func TestJunk(t *testing.T) {
	w := newWorld(t)
	stranger := w.Next(rolltest.NewToken(t), roll.ClientAdd{Client: rolltest.Client(t, "mallory")})
	for what, value := range map[string][]byte{"junk": []byte("junk"), "an entry of a stranger": stranger.Marshal(), "an old entry": w.Entries[0].Marshal()} {
		t.Run(what, func(t *testing.T) {
			w.T = t
			w.put(Key(w.Head.Number+1), value)
			w.put(EntryPrefix+"junk", value)
			w.view = w.load(w.State, w.Head)
			if w.view.Head != w.Head || w.view.Problem == nil {
				t.Fatalf("%v, %v", w.view.Head, w.view.Problem)
			}
			name := map[bool]string{true: "a", false: "b"}[w.Head.Number%2 == 0]
			w.add(roll.ClientAdd{Client: rolltest.Client(t, name)}, roll.ClientRemove{Name: name})
			if v := w.load(nil, w.Head); v.Problem != nil {
				t.Error(v.Problem)
			}
		})
	}
	w.T = t
	w.put(Key(w.Head.Number+2), stranger.Marshal())
	if v := w.load(w.State, w.Head); !errors.Is(v.Problem, roll.ErrGap) {
		t.Errorf("an entry behind a gap: %v", v.Problem)
	}
}

// A store that shows less than before, or another history, is not believed.
func TestStoresThatLie(t *testing.T) {
	w := newWorld(t)
	pin, old := w.Head, w.store.Snapshot()
	other := w.State.Clone()
	w.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")})
	w.add(roll.ClientRemove{Name: "carol"})
	fork := other.New(w.Operator.PublicKey(), rolltest.Moment, roll.ClientAdd{Client: rolltest.Client(t, "mallory")})
	if err := fork.Sign(w.Operator); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		change func()
		want   error
	}{
		"an old snapshot": {func() { w.store.Restore(old) }, ErrNone},
		"nothing":         {func() { w.store.Wipe() }, ErrNone},
		"a fork": {func() {
			w.store.Restore(old)
			w.put(Key(1), fork.Marshal())
			w.put(Key(2), fork.Marshal())
		}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			c.change()
			for _, known := range []*roll.State{w.State, nil} {
				v, err := Load(t.Context(), w.store, known, w.Head)
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%v, %v", v, err)
				}
			}
		})
	}
	w.store.Restore(old)
	if v := w.load(nil, pin); v.Head != pin {
		t.Error("who knows no more than it shows is not content")
	}
}

func TestCheckpointsAndPruning(t *testing.T) {
	w := newWorld(t)
	first, early := w.Head, w.State.Clone()
	carol := rolltest.Client(t, "carol")
	var middle roll.Head
	for w.Head.Number < 2*roll.Interval+5 {
		w.add(roll.ClientAdd{Client: carol})
		w.add(roll.ClientRemove{Name: "carol"})
		if w.Head.Number == roll.Interval+501 || w.Head.Number == roll.Interval+502 {
			middle = w.Head
		}
	}
	if w.has(Key(roll.Interval-1)) || !w.has(Key(roll.Interval)) || w.has(Key(0)) {
		t.Error("what is older than the last checkpoint but one is not what was deleted")
	}
	for what, v := range map[string]*View{
		"an invitation of now": w.load(nil, w.Head), "one of before the last checkpoint": w.load(nil, middle), "one who slept": w.load(early, first),
	} {
		if v.Head != w.Head || v.Problem != nil {
			t.Errorf("%s: %v, %v", what, v.Head, v.Problem)
		}
	}
	if _, err := Load(context.Background(), w.store, nil, first); !errors.Is(err, ErrNone) {
		t.Errorf("an invitation of long ago: %v", err)
	}
	w.put(WholePrefix+Key(2 * roll.Interval)[len(EntryPrefix):]+"/000", []byte("junk"))
	if v, err := Load(t.Context(), w.store, nil, w.Head); err == nil {
		t.Errorf("a false state was believed: %v", v.Head)
	}
}

// What an operator has seen is put back into a store that has lost it, and into none that
// goes another way.
func TestRestore(t *testing.T) {
	w := newWorld(t)
	w.add(roll.ClientAdd{Client: rolltest.Client(t, "carol")})
	old := w.store.Snapshot()
	other := w.State.Clone()
	w.add(roll.ClientRemove{Name: "carol"})
	w.add(roll.ClientAdd{Client: rolltest.Client(t, "dave")})
	seen := w.load(nil, w.Head)
	restore := func(want int, good bool) {
		t.Helper()
		n, err := Restore(t.Context(), w.store, seen.Head, seen.Whole, seen.Entries)
		if (err == nil) != good || good && n != want {
			t.Errorf("%d entries, %v", n, err)
		}
		if good {
			if v := w.load(nil, w.Head); v.Head != w.Head {
				t.Errorf("it ends at %v", v.Head)
			}
		}
	}
	restore(0, true)
	w.store.Restore(old)
	w.put(Key(2), []byte("junk"))
	restore(2, true)
	w.store.Wipe()
	restore(4, true)

	w.store.Restore(old)
	fork := other.New(w.Operator.PublicKey(), rolltest.Moment, roll.Revoke{Name: "carol"})
	if err := fork.Sign(w.Operator); err != nil {
		t.Fatal(err)
	}
	w.put(Key(2), fork.Marshal())
	restore(0, false)
	if v := w.load(other, roll.Head{}); v.Head != fork.Head() {
		t.Error("another history was written over")
	}
}
