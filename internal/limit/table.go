package limit

// table remembers sources by a hash: sets of eight entries. When a set is
// full, the lowest class makes room, and within it the one noted longest ago,
// so that a flood of new sources pushes out new sources. At 20,000 new sources
// a second each of them stays for half a minute.
type table [][ways]entry

const (
	ways = 8
	sets = 1 << 16
)

func newTable() table { return make(table, sets) }

// entry is tag 28 bits · time 32 bits, in ticks · class 4 bits; zero: unused.
type entry uint64

func tagOf(hash uint64) entry { return entry(hash>>36) << 36 }

func (e entry) class() int              { return int(e & 15) }
func (e entry) age(now uint32) uint32   { return now - uint32(e>>4) }
func (e *entry) set(c int, when uint32) { *e = *e>>36<<36 | entry(when)<<4 | entry(c) }

func (e entry) expired(now uint32) bool {
	if e.class() == known {
		return e.age(now) > forgetKnown
	}
	return e.age(now) > forgetTries
}

func (t table) set(hash uint64) *[ways]entry { return &t[hash%sets] }

// find returns the entry of a hash, or nil.
func (t table) find(hash uint64) *entry {
	tag := tagOf(hash)
	set := t.set(hash)
	for i := range set {
		if e := &set[i]; *e != 0 && *e>>36<<36 == tag {
			return e
		}
	}
	return nil
}

// put makes an entry for a hash that has none.
func (t table) put(hash uint64, now uint32) *entry {
	set := t.set(hash)
	victim := &set[0]
	for i := range set {
		e := &set[i]
		if *e == 0 || e.expired(now) {
			victim = e
			break
		}
		if e.class() < victim.class() || e.class() == victim.class() && e.age(now) > victim.age(now) {
			victim = e
		}
	}
	*victim = tagOf(hash)
	return victim
}
