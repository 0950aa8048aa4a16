package replay

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/clock/clocktest"
)

// reopen opens the files again, as the daemon does after its death.
func reopen(t testing.TB, files Files, sizes sizes, boot string, now time.Time, want ...Trouble) (*Store, *Guard) {
	t.Helper()
	s, g, notices := open(files, sizes, boot, window, now)
	var got []Trouble
	for _, n := range notices {
		got = append(got, n.Trouble)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("trouble %v: want %v", notices, want)
	}
	return s, g
}

// barred checks that the guard refuses what was stamped before its start and
// one window after it, and that this ends.
func barred(t testing.TB, g *Guard, now time.Time) {
	t.Helper()
	for _, stamp := range []time.Duration{-window, 0, window} {
		Forgotten.want(t, g, msg(9000, now.Add(stamp)), now)
	}
	Fresh.want(t, g, msg(9001, now.Add(window+time.Millisecond)), now.Add(time.Millisecond))
	now = now.Add(window + time.Millisecond)
	Fresh.want(t, g, msg(9001, now), now)
}

func TestKilledDaemonRemembers(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	m := msg(1, start)
	record(t, s, g, m, start)
	r, _ := g.Admit(msg(2, start), start)

	_, g = reopen(t, files, standard, "boot", start)
	Repeated.want(t, g, m, start)
	m.Source = other
	Intercepted.want(t, g, m, start)
	Fresh.want(t, g, msg(2, start), start) // never recorded, so it opened nothing
	_ = r
}

func TestMachineThatWentDown(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	record(t, s, g, msg(1, start), start)
	files.powerLoss()

	_, g = reopen(t, files, standard, "next boot", start, Rebooted)
	Forgotten.want(t, g, msg(1, start), start)
	barred(t, g, start)
}

func TestMachineWithoutBootID(t *testing.T) {
	files := newMemory()
	opened(t, files, standard)
	reopen(t, files, standard, "", start, Rebooted)
	reopen(t, files, standard, "", start, Rebooted)
}

func TestClosedStoreIsBelievedAfterReboot(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	record(t, s, g, msg(1, start), start)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(Record{}); err == nil {
		t.Error("appended to a closed store")
	}
	files.powerLoss()
	_, g = reopen(t, files, standard, "next boot", start)
	Repeated.want(t, g, msg(1, start), start)
	Fresh.want(t, g, msg(2, start), start)

	files.powerLoss() // the index that says "closed" must not be what is left
	reopen(t, files, standard, "third boot", start, Rebooted)
}

func TestLostStore(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	record(t, s, g, msg(1, start), start)
	for _, name := range []string{indexName, fileName(1)} {
		left := newMemory()
		left.files = cloned(files.files)
		delete(left.files, name)
		trouble := map[string]Trouble{indexName: Lost, fileName(1): Damaged}[name]
		_, g := reopen(t, left, standard, "boot", start, trouble)
		Forgotten.want(t, g, msg(1, start), start)
		barred(t, g, start)

		_, g = reopen(t, left, standard, "boot", start.Add(time.Second)) // told once, in force still
		Forgotten.want(t, g, msg(1, start), start.Add(time.Second))
	}
}

func TestBarrierOfAClockThatWasAhead(t *testing.T) {
	_, g := reopen(t, newMemory(), standard, "boot", start.Add(2*time.Hour), Lost)
	g.opened = start.Add(-2*window + time.Second) // what the monotonic clock makes of it once the clock was set right
	Forgotten.want(t, g, msg(1, start), start)
	now := start.Add(time.Second)
	Fresh.want(t, g, msg(1, now), now)
}

func TestCreate(t *testing.T) {
	files := newMemory()
	if err := Create(files); err != nil {
		t.Fatal(err)
	}
	s, g, notices := Open(files, "boot", window, start)
	if len(notices) != 0 {
		t.Fatal(notices)
	}
	record(t, s, g, msg(1, start), start)
	if err := Create(files); err != nil {
		t.Fatal(err)
	}
	_, g = reopen(t, files, standard, "boot", start)
	Repeated.want(t, g, msg(1, start), start)
}

func TestFullDisk(t *testing.T) {
	for _, torn := range []bool{false, true} {
		files := newMemory()
		s, g := opened(t, files, small)
		record(t, s, g, msg(0, start), start)
		n := 1
		for ; n <= 5; n++ { // into the next generation
			files.room, files.torn = 0, torn
			r, v := g.Admit(msg(n, start), start)
			if err := s.Append(r); v != Fresh || err == nil || !strings.Contains(err.Error(), "no space left") {
				t.Fatalf("message %d is %s, %v", n, v, err)
			}
			Repeated.want(t, g, msg(n, start), start)
		}
		files.room = -1
		record(t, s, g, msg(n, start), start)
		_, g = reopen(t, files, small, "boot", start)
		Repeated.want(t, g, msg(0, start), start)
		Repeated.want(t, g, msg(n, start), start)
	}
}

func TestTornRecordIsNoticed(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	record(t, s, g, msg(1, start), start)
	files.room, files.torn = 0, true
	r, _ := g.Admit(msg(2, start), start)
	if s.Append(r) == nil {
		t.Fatal("appended to a full disk")
	}
	files.room = -1
	_, g = reopen(t, files, standard, "boot", start, Damaged)
	Repeated.want(t, g, msg(1, start), start)
	barred(t, g, start)
	reopen(t, files, standard, "boot", start) // repaired
}

func TestDiskFullAtStart(t *testing.T) {
	files := newMemory()
	opened(t, files, standard)
	for room := range 4 {
		files.room = room
		s, g := reopen(t, files, standard, "boot", start, map[bool][]Trouble{true: {Unwritable}}[room < 3]...)
		r, _ := g.Admit(msg(room, start), start)
		if s.Append(r) == nil {
			t.Fatal("appended to a full disk")
		}
		files.room = -1
		record(t, s, g, msg(10+room, start), start)
	}
	_, g := reopen(t, files, standard, "boot", start)
	for room := range 4 {
		Repeated.want(t, g, msg(10+room, start), start)
	}
}

func TestGenerationsComeAndGo(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, small)
	now := start
	for n := range 100 {
		now = now.Add(window)
		record(t, s, g, of(n, msg(n, now)), now)
		if got := len(files.files); got > 1+small.most {
			t.Fatalf("%d files", got)
		}
		if n%7 == 0 {
			s, g = reopen(t, files, small, "boot", now)
		}
	}
	for n := range 100 {
		stamped := start.Add(time.Duration(n+1) * window)
		if v := g.Check(of(n, msg(n, stamped)), stamped); v == Fresh {
			t.Errorf("message %d is fresh after restarts", n)
		}
	}
}

func TestRecordsOutOfOrder(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, small)
	var records []Record
	for n := range 12 {
		r, v := g.Admit(msg(n, start), start)
		if v != Fresh {
			t.Fatal(v)
		}
		records = append(records, r)
	}
	slices.Reverse(records)
	for _, r := range records {
		if err := s.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	_, g = reopen(t, files, small, "boot", start)
	for n := range 12 {
		Repeated.want(t, g, msg(n, start), start)
	}
}

// damaged opens a store with one byte of one file changed, or the file cut
// there, and checks that nothing recorded in it is fresh.
func damaged(t testing.TB, files map[string][]byte, name string, at int, flip byte, now time.Time) {
	t.Helper()
	left := newMemory()
	left.files = cloned(files)
	if flip == 0 {
		left.files[name] = left.files[name][:at]
	} else {
		left.files[name][at] ^= flip
	}
	_, g, notices := open(left, small, "boot", window, now)
	if len(notices) == 0 {
		t.Fatalf("%s changed at %d by %#x: not noticed", name, at, flip)
	}
	for n := range recorded {
		if v := g.Check(msg(n, start), now); v == Fresh {
			t.Fatalf("%s changed at %d by %#x: message %d is fresh", name, at, flip, n)
		}
	}
	Fresh.want(t, g, msg(9000, now.Add(window+time.Millisecond)), now.Add(time.Millisecond))
}

const recorded = 6

func storeOfSix(t testing.TB) map[string][]byte {
	files := newMemory()
	s, g := opened(t, files, small)
	for n := range recorded {
		record(t, s, g, msg(n, start), start)
	}
	return files.files
}

func TestAnyDamageIsNoticed(t *testing.T) {
	files := storeOfSix(t)
	for name, data := range files {
		for at := range min(len(data), 8*slotSize) {
			damaged(t, files, name, at, 0, start)
			damaged(t, files, name, at, 1<<(at%8), start)
		}
		damaged(t, files, name, len(data)-1, 0, start)
		damaged(t, files, name, len(data)-1, 0x80, start)
	}
}

func FuzzDamage(f *testing.F) {
	files := storeOfSix(f)
	names := []string{indexName, fileName(1), fileName(2)}
	f.Add(uint8(0), uint16(3), byte(1))
	f.Add(uint8(1), uint16(64), byte(0))
	f.Fuzz(func(t *testing.T, file uint8, at uint16, flip byte) {
		name := names[int(file)%len(names)]
		damaged(t, files, name, int(at)%len(files[name]), flip, start)
	})
}

func FuzzFiles(f *testing.F) {
	for _, data := range storeOfSix(f) {
		f.Add(data, data[:indexSize])
	}
	f.Fuzz(func(t *testing.T, generation, idx []byte) {
		if x, err := parseIndex(idx); err == nil && string(x.marshal()) != string(idx) {
			t.Fatal("an index that we would not write was accepted")
		}
		left := newMemory()
		left.files[fileName(1)], left.files[indexName] = generation, idx
		s, g, _ := open(left, small, "boot", window, start)
		later := start.Add(2*window + 1)
		if r, v := g.Admit(msg(1, later), later); v == Fresh {
			if err := s.Append(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The machine loses power with a record that is not on the disk, and its clock is
// an hour late at the next start. What was lost is never fresh again, whether
// the clock is set right in one step or runs on; what is new is.
func TestLateClockAfterALossOfPower(t *testing.T) {
	files := newMemory()
	s, g := opened(t, files, standard)
	for n := range 50 {
		record(t, s, g, msg(n, start.Add(time.Duration(n)*time.Second)), start)
	}
	files.powerLoss()
	late := start.Add(-time.Hour)
	s, g = reopen(t, files, standard, "next boot", late, Rebooted)
	last := start.Add(49 * time.Second)
	for _, now := range []time.Time{late, start, last, last.Add(window)} {
		for n := range 50 {
			if v := g.Check(msg(n, start.Add(time.Duration(n)*time.Second)), now); v == Fresh {
				t.Fatalf("at %v message %d is fresh", now.Sub(start), n)
			}
		}
	}
	now := last.Add(2 * reserve)
	record(t, s, g, msg(1000, now), now)
	_, g = reopen(t, files, standard, "next boot", late) // the floor is remembered
	Forgotten.want(t, g, msg(49, last), last)
}

// Where even the index is lost, nobody is let in whose message is stamped before
// the clock was set forward.
func TestClockSetForwardAfterALoss(t *testing.T) {
	now := time.Now()
	_, g := reopen(t, newMemory(), standard, "boot", now, Lost)
	right := clocktest.Forward(now.Add(10*window), time.Hour)
	Fresh.want(t, g, msg(1, now.Add(10*window)), now.Add(10*window))
	barred(t, g, right)

	_, g = opened(t, newMemory(), standard)
	g.clock.Forward(now)
	Fresh.want(t, g, msg(1, right), right) // nothing was lost
}
