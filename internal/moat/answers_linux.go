package moat

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answers are the paces at which this host may say that a port is closed, made
// generous.
type answers struct {
	all  programPace
	each [2]programPace // to one address, over IPv4 and IPv6
}

// silent is for where closed ports do not answer, so that nothing has to pass but
// what the daemon looks at for wrong clocks: two a second.
var silent = answers{paced(16, 64), [2]programPace{every(time.Second), every(time.Second)}}

// Numbers of the kernel.
const (
	xrlimBurst   = 6 // XRLIM_BURST_FACTOR, net/ipv4/icmp.c
	unreachable4 = 3 // ICMP_DEST_UNREACH
	unreachable6 = 1 // ICMPV6_DEST_UNREACH
)

// How much more than the host answers is passed on to it. The kernel refills its
// budget each 20 ms and chooses at random by a little; what comes with a burst
// after the refill must be there.
const (
	generosity     = 8
	generosityEach = 2
)

// readAnswers reads the limits of the calling thread's network namespace from a
// folder like /proc/sys/net. What is missing there, as some of it is in namespaces
// of older kernels, has the kernel's default.
func readAnswers(dir string) answers {
	read := func(name, otherwise string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return otherwise
		}
		return strings.TrimSpace(string(text))
	}
	number := func(name string, otherwise uint64) uint64 {
		n, err := strconv.ParseUint(read(name, ""), 10, 32)
		if err != nil {
			return otherwise
		}
		return n
	}
	limited4 := number("ipv4/icmp_ratemask", 6168)>>unreachable4&1 == 1
	limited6 := inList(read("ipv6/icmp/ratemask", "0-1,3-127"), unreachable6)
	if !limited4 || !limited6 {
		return answers{}
	}
	var a answers
	a.all = paced(number("ipv4/icmp_msgs_per_sec", 1000)*generosity, number("ipv4/icmp_msgs_burst", 50)*generosity)
	a.each[0] = every(time.Duration(number("ipv4/icmp_ratelimit", 1000)) * time.Millisecond)
	// Many kernels give an address behind a short prefix more answers, behind the
	// default route 16 times as many (icmpv6_xrlim_allow in net/ipv6/icmp.c).
	a.each[1] = every(min(time.Duration(number("ipv6/icmp/ratelimit", 1000))*time.Millisecond, time.Second/16))
	return a
}

// inList reports whether a list of numbers and ranges, as the kernel writes
// bitmaps, has a number.
func inList(list string, n int) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(part string) bool {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		return err1 == nil && err2 == nil && from <= n && n <= to
	})
}

// every is the pace of one address to which the kernel sends an answer each so long.
func every(d time.Duration) programPace {
	interval := uint64(d) / generosityEach
	return programPace{Interval: interval, Burst: interval * (xrlimBurst*generosityEach - 1)}
}

// answer takes the limits of the host.
func (m *Moat) answer(a answers) {
	m.answers = a
	if a.all.Interval == 0 {
		m.log.Warn("moat: this host says without a limit that ports are closed, so junk passes", "settings", "net.ipv4.icmp_ratemask, net.ipv6.icmp.ratemask")
	}
}
