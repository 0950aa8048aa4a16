package spent

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/clock/clocktest"
	"sallyport/internal/packet"
)

// memory is a directory in memory that fails where a test says so.
type memory struct {
	files map[string][]byte
	full  bool // no file gets longer, none is made

	durable map[string][]byte // what a loss of power leaves
}

var errFull = errors.New("no space left")

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) Read(name string) ([]byte, error) {
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(data), nil
}

func (m *memory) Replace(name string, data []byte) error {
	if m.full {
		return errFull
	}
	m.files[name] = slices.Clone(data)
	return nil
}

func (m *memory) WriteAt(name string, data []byte, offset int64) error {
	file := m.files[name]
	if end := int(offset) + len(data); end > len(file) {
		if m.full {
			m.files[name] = append(file, data[:5]...) // a part of it may fit
			return errFull
		}
		file = append(file, make([]byte, end-len(file))...)
	}
	copy(file[offset:], data)
	m.files[name] = file
	return nil
}

func (m *memory) Sync() error {
	m.durable = make(map[string][]byte)
	for name, data := range m.files {
		m.durable[name] = slices.Clone(data)
	}
	return nil
}

// used lets a new guard tell, as after a restart.
func (m *memory) used(t *testing.T, now int64, r Record) bool {
	t.Helper()
	s, g, _ := Open(m, "this boot", now+1)
	defer s.Close()
	return g.Used(r)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var ports = packet.MustPorts

var once = Sequence("ssh", ports("tcp/9", "udp/3"))

func created(t *testing.T) *memory {
	t.Helper()
	m := newMemory()
	must(t, Create(m))
	return m
}

func TestGuard(t *testing.T) {
	s, g, notices := Open(created(t), "this boot", 100)
	defer s.Close()
	if len(notices) != 0 || g.Floor() != 0 {
		t.Fatalf("%q, floor %d", notices, g.Floor())
	}
	for _, c := range []struct {
		r    Record
		want bool
	}{
		{Step("alice", "ssh", 7), true},
		{Step("alice", "ssh", 7), false}, // twice
		{Step("alice", "ssh", 6), false}, // an earlier one
		{Step("alice", "ssh", 8), true},
		{Step("alice", "db", 7), true}, // another door
		{Step("bob", "ssh", 7), true},  // another client
		{Step("alices", "sh", 7), true},
		{once, true},
		{once, false},
		{Sequence("db", ports("tcp/9", "udp/3")), true},
		{Sequence("ssh", ports("tcp/9", "udp/31")), true},
	} {
		if got := g.Use(c.r); got != c.want {
			t.Errorf("%+v: %v", c.r, got)
		}
	}
}

func TestRestarts(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*Store, *memory) // how the daemon ended
		want string                // notice
	}{
		"stopped":              {func(s *Store, _ *memory) { s.Close() }, ""},
		"killed":               {func(*Store, *memory) {}, ""},
		"without power":        {func(_ *Store, m *memory) { m.files = m.durable }, "without warning"},
		"while it was written": {func(_ *Store, m *memory) { m.files[fileName] = append(m.files[fileName], make([]byte, slotSize)...) }, ""},
		"a bit has flipped":    {func(s *Store, m *memory) { s.Close(); m.files[fileName][slotSize+20] ^= 1 }, "slot 1"},
		"the header has gone":  {func(s *Store, m *memory) { s.Close(); m.files[fileName][3] ^= 1 }, "header"},
		"cut to nothing":       {func(s *Store, m *memory) { s.Close(); m.files[fileName] = nil }, "header"},
		"removed":              {func(s *Store, m *memory) { s.Close(); delete(m.files, fileName) }, "lost"},
		"half a record":        {func(_ *Store, m *memory) { m.files[fileName] = append(m.files[fileName], 1, 2, 3) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := created(t)
			s, _, _ := Open(m, "this boot", 101)
			must(t, s.Write(Step("alice", "ssh", 99)))
			must(t, s.Write(Step("alice", "ssh", 100)))
			must(t, s.Write(Step("bob", "ssh", 100)))
			c.end(s, m)
			boot := "this boot"
			if name == "without power" {
				boot = "the next boot"
			}
			s, g, notices := Open(m, boot, 101)
			if got := strings.Join(notices, "\n"); !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("notices %q, want %q", got, c.want)
			}
			if read := Read(m.files[fileName]); c.want != "header" && c.want != "lost" && name != "without power" && !read.Used(Step("bob", "ssh", 100)) {
				t.Error("who only looks does not see it")
			}
			if g.Damaged() != (c.want != "" && name != "without power") {
				t.Errorf("damaged: %v", g.Damaged())
			}
			for _, r := range []Record{Step("alice", "ssh", 100), Step("alice", "ssh", 99), Step("bob", "ssh", 100)} {
				if !g.Used(r) {
					t.Errorf("%+v works again", r)
				}
			}
			if g.Used(Step("alice", "ssh", 99+ceilingAhead+1)) {
				t.Error("a later step does not work")
			}
			if fresh := Step("carol", "ssh", 101); g.Used(fresh) != (c.want != "") {
				t.Errorf("who has used nothing: %v", g.Used(fresh))
			}
			// What is known now is known at the next start, too.
			must(t, s.Write(Step("dora", "ssh", 103)))
			_, again, notices := Open(m, boot, 50)
			if len(notices) != 0 || again.Floor() != g.Floor() || !again.Used(Step("dora", "ssh", 103)) || !again.Used(Step("bob", "ssh", 100)) {
				t.Errorf("the start after: %q, floor %d, want %d", notices, again.Floor(), g.Floor())
			}
		})
	}
}

// The machine loses power, and its clock is an hour late at the next start: what
// has been used stays used when the clock comes to it again, in one step or
// running.
func TestNothingUsedSurvivesALossOfPower(t *testing.T) {
	m := created(t)
	s, _, _ := Open(m, "this boot", 501)
	must(t, s.Write(Step("alice", "ssh", 500)))
	must(t, s.Write(once))
	must(t, s.Write(Step("bob", "ssh", 502))) // not on the disk
	m.files = m.durable
	_, g, notices := Open(m, "the next boot", 381)
	if len(notices) != 1 || !g.Used(Step("alice", "ssh", 500)) || !g.Used(Step("bob", "ssh", 502)) || !g.Used(once) {
		t.Errorf("%q: it works again", notices)
	}
	if g.Used(Step("alice", "ssh", 500+ceilingAhead+1)) || g.Used(Sequence("ssh", ports("tcp/1", "tcp/9"))) {
		t.Error("what was not used does not work")
	}
}

// Where the memory is lost, the floor rises when the clock is set forward, and
// only then.
func TestClockSetForward(t *testing.T) {
	now := time.Now()
	for _, lost := range []bool{true, false} {
		m := created(t)
		if lost {
			delete(m.files, fileName)
		}
		_, g, _ := Open(m, "this boot", 381)
		g.Look(now, 380)
		g.Look(now.Add(time.Hour), 382)
		if g.Used(Step("alice", "ssh", 383)) {
			t.Error("a step is used without a reason")
		}
		g.Look(clocktest.Forward(now.Add(time.Hour), time.Hour), 502)
		if g.Used(Step("alice", "ssh", 503)) != lost || g.Used(Step("alice", "ssh", 504)) {
			t.Errorf("lost %v: floor %d", lost, g.Floor())
		}
	}
}

func TestFullDisk(t *testing.T) {
	m := created(t)
	s, _, _ := Open(m, "this boot", 101)
	must(t, s.Write(Step("alice", "ssh", 100)))
	m.full = true
	if err := s.Write(Step("bob", "ssh", 100)); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	must(t, s.Write(Step("alice", "ssh", 101))) // needs no room
	m.full = false
	must(t, s.Write(Step("bob", "ssh", 101)))
	for _, r := range []Record{Step("alice", "ssh", 101), Step("bob", "ssh", 101)} {
		if !m.used(t, 100, r) {
			t.Errorf("%+v works again", r)
		}
	}
}

func TestFullDiskAtTheStart(t *testing.T) {
	m := newMemory()
	m.full = true
	s, g, notices := Open(m, "this boot", 101)
	if len(notices) != 2 || !g.Used(Step("alice", "ssh", 101)) {
		t.Errorf("%q", notices)
	}
	if err := s.Write(Step("alice", "ssh", 102)); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	m.full = false
	must(t, s.Write(Step("alice", "ssh", 103)))
	must(t, s.Close())
	if !m.used(t, 10, Step("alice", "ssh", 103)) || !m.used(t, 10, Step("bob", "ssh", 101)) {
		t.Error("used again")
	}
}

func TestClosed(t *testing.T) {
	m := created(t)
	s, _, _ := Open(m, "this boot", 101)
	must(t, s.Close())
	must(t, s.Close())
	if s.Write(once) == nil {
		t.Error("written after Close")
	}
	if err := Create(m); err != nil {
		t.Errorf("a store that is there already: %v", err)
	}
}

// TestSize: the file does not grow with use.
func TestSize(t *testing.T) {
	m := created(t)
	s, _, _ := Open(m, "this boot", 1)
	for step := range int64(1000) {
		must(t, s.Write(Step("alice", "ssh", step+2)))
	}
	if n := len(m.files[fileName]); n != 3*slotSize { // header, ceiling, alice
		t.Errorf("%d bytes", n)
	}
}

// FuzzOpen: whatever the file holds, what it says soundly is kept, and doubt
// raises the floor.
func FuzzOpen(f *testing.F) {
	m := newMemory()
	s, _, _ := Open(m, "this boot", 101)
	_ = s.Write(Step("alice", "ssh", 200))
	_ = s.Write(once)
	f.Add(m.files[fileName])
	f.Add(m.files[fileName][:50])
	f.Add(bytes.Repeat([]byte{0}, 96))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := newMemory()
		m.files[fileName] = data
		s, g, notices := Open(m, "this boot", 101)
		if len(notices) > 0 && !g.Used(Step("x", "y", 101)) {
			t.Fatal("in doubt, and no floor")
		}
		must(t, s.Write(Step("x", "y", 1<<40)))
		_, again, notices := Open(m, "this boot", 0)
		if len(notices) > 0 || !again.Used(Step("x", "y", 1<<40)) || again.Floor() != g.Floor() {
			t.Fatalf("written again: %q", notices)
		}
		for key, n := range g.highest {
			if again.highest[key] < n {
				t.Fatal("something was forgotten")
			}
		}
	})
}
