package follow

import (
	"math"
	"time"

	"sallyport/internal/fleet/wire"
)

// Fresh says when etcd was last heard of, in a way that outlives restarts of the daemon
// and of the machine. The zero Fresh says that it never was.
type Fresh struct {
	Boot string        // the run of the machine in which this was written
	At   time.Duration // when, since the machine was started, sleep included
	Wall time.Time     // when, by the clock
	Age  time.Duration // how long ago etcd was heard of, then
}

// Never is the age of what was never heard of.
const Never = time.Duration(math.MaxInt64)

// Now is the present: the run of the machine, the time since its start, and the clock.
type Now struct {
	Boot  string
	Since time.Duration
	Wall  time.Time
}

// Heard returns what there is to keep when etcd is heard of.
func (n Now) Heard() Fresh { return Fresh{Boot: n.Boot, At: n.Since, Wall: n.Wall} }

// Asked returns what there is to keep when etcd answers a question that was asked some
// time ago. What it says was true after that; it may have changed since.
func (n Now) Asked(ago time.Duration) Fresh {
	f := n.Heard()
	f.Age = ago
	return f
}

// Aged returns how long ago etcd was heard of. In the same run of the machine no setting
// of the clock has a say. Over a restart it is the time that the clock has moved on, and
// at least that since the start; a clock that was set back makes it no shorter.
func (f Fresh) Aged(n Now) time.Duration {
	if f == (Fresh{}) {
		return Never
	}
	passed := n.Since - f.At
	if f.Boot != n.Boot {
		passed = max(n.Since, n.Wall.Sub(f.Wall))
	}
	if passed < 0 || f.Age > Never-passed {
		return Never
	}
	return f.Age + passed
}

// Marshal returns it as it is kept.
func (f Fresh) Marshal() []byte {
	var w wire.Writer
	w.Text(f.Boot)
	w.U64(uint64(f.At))
	w.Time(f.Wall)
	w.U64(uint64(f.Age))
	return w.Out
}

// ParseFresh reads what Marshal has written; what it cannot read was never heard.
func ParseFresh(text []byte) Fresh {
	r := wire.Reader{Rest: text}
	f := Fresh{Boot: r.Text(64), At: time.Duration(r.U64()), Wall: r.Time(), Age: time.Duration(r.U64())}
	if !r.Done() || f.At < 0 || f.Age < 0 {
		return Fresh{}
	}
	return f
}
