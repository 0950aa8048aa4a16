package roll_test

import (
	"bytes"
	"errors"
	"testing"

	. "sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
)

// long returns a fleet with more than one checkpoint.
func long(t *testing.T) *rolltest.Fleet {
	f := rolltest.New(t)
	gate, _, _ := rolltest.Gate(t, "tokyo-1")
	f.Append(GateAdd{Gate: gate})
	carol := rolltest.Client(t, "carol")
	for f.Head.Number < 2*Interval+10 {
		f.Append(ClientAdd{Client: carol})
		f.Append(ClientRemove{Name: "carol"})
	}
	return f
}

func TestCheckpoints(t *testing.T) {
	f := long(t)
	want := f.Marshal()
	begins := func(what string, pin Head, whole []byte, from, to int, good bool) {
		t.Helper()
		s, err := Begin(pin, whole, f.Entries[from:to])
		if (err == nil) != good {
			t.Fatalf("%s: %v", what, err)
		}
		if good && to == len(f.Entries) && !bytes.Equal(s.Marshal(), want) {
			t.Errorf("%s: another state", what)
		}
	}
	head, all := f.Head, len(f.Entries)
	at := func(n int) Head { return f.Entries[n].Head() }
	whole := f.Whole[2*Interval]
	begins("from entry 0", head, nil, 0, all, true)
	begins("from a checkpoint", head, whole, 2*Interval, all, true)
	begins("from the one before", head, f.Whole[Interval], Interval, all, true)
	begins("an older invitation", at(Interval+500), f.Whole[Interval], Interval, all, true)
	begins("one that is too old", at(Interval+500), whole, 2*Interval, all, false)
	begins("entries are missing at the end", head, whole, 2*Interval, all-1, false)
	begins("not from a checkpoint", head, whole, 2*Interval-1, all, false)
	begins("the state of another", head, f.Whole[Interval], 2*Interval, all, false)
	begins("another history", Head{Number: head.Number}, whole, 2*Interval, all, false)
	begins("nothing", head, nil, all, all, false)
}

// Who is asleep for long jumps, if an operator whom he knows says so.
func TestJump(t *testing.T) {
	f := long(t)
	old, err := Found(f.Entries[0])
	if err != nil {
		t.Fatal(err)
	}
	checkpoint := f.Entries[2*Interval]
	s, err := old.Jump(checkpoint, f.Whole[2*Interval])
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range f.Entries[2*Interval+1:] {
		if err := s.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(s.Marshal(), f.Marshal()) {
		t.Error("another state")
	}
	if _, err := s.Jump(checkpoint, f.Whole[2*Interval]); !errors.Is(err, ErrOld) {
		t.Errorf("back: %v", err)
	}
	if _, err := old.Jump(checkpoint, f.Whole[Interval]); err == nil {
		t.Error("to another state")
	}
	if _, err := rolltest.New(t).Jump(checkpoint, f.Whole[2*Interval]); err == nil {
		t.Error("into another fleet")
	}
	byRecovery := *checkpoint
	if err := byRecovery.Sign(f.Recovery); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Jump(&byRecovery, f.Whole[2*Interval]); err == nil {
		t.Error("the recovery key vouches for clients")
	}
}

func TestCheckpointsStandWhereTheyAreLookedFor(t *testing.T) {
	f := rolltest.New(t)
	refused(t, f, f.Next(f.Operator, f.Checkpoint()), "multiples of 1000 alone")
	carol := rolltest.Client(t, "carol")
	for !f.DueCheckpoint() {
		f.Append(ClientAdd{Client: carol})
		if f.DueCheckpoint() {
			break
		}
		f.Append(ClientRemove{Name: "carol"})
	}
	refused(t, f, f.Next(f.Operator, Revoke{Name: "carol"}), "is a checkpoint")
	refused(t, f, f.Next(f.Operator, f.Checkpoint(), Revoke{Name: "carol"}), "nothing else")
	lie := f.Checkpoint()
	lie.Digest[0] ^= 1
	refused(t, f, f.Next(f.Operator, lie), "another state")
	if err := f.Apply(f.Next(f.Recovery, f.Checkpoint())); err != nil {
		t.Errorf("the recovery key is stuck: %v", err)
	}
}
