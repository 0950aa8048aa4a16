package config

// Moat says where junk is dropped in the kernel, before it costs anything.
type Moat struct {
	Mode       MoatMode // default MoatAuto
	Interfaces []string // empty: all physical Ethernet interfaces
}

// MoatMode says how the filter in the kernel is attached.
type MoatMode string

// The modes of the moat.
const (
	MoatAuto    MoatMode = "auto"    // in the driver where that is possible and better, else in the kernel's generic place
	MoatNative  MoatMode = "native"  // in the driver only
	MoatGeneric MoatMode = "generic" // in the generic place
	MoatOff     MoatMode = "off"
)

func (l *loader) readMoat(t *table) {
	s := l.section("moat", t)
	l.config.Moat = Moat{
		Mode:       MoatMode(s.choice("mode", string(MoatAuto), string(MoatNative), string(MoatGeneric), string(MoatOff))),
		Interfaces: list(s, "interfaces", `names of interfaces in quotes, such as ["eth0"]`, once(parseInterface)),
	}
	s.finish()
}
