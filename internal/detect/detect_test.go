package detect

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/packet"
)

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	mole  = netip.MustParseAddr("203.0.113.66")
	home  = netip.MustParseAddr("192.0.2.7")
	away  = netip.MustParseAddr("198.51.100.9")
	home6 = netip.MustParseAddr("2001:db8:1::7")
)

// limits are the defaults of the configuration.
func limits() config.Detect {
	return config.Detect{Enabled: true, ScanPorts: 20, ScanWindow: time.Minute, SlowPorts: 20, SlowWindow: 24 * time.Hour, ScanSources: 200,
		Guesses: 8, GuessSources: 20, NearMisses: 4, Replays: 3, Forbidden: 5, TwoPlaces: 5 * time.Minute, Unused: 10, FailedLogins: 10, Flood: 10_000}
}

// stream feeds a detector and keeps the latest state of each finding, in the
// order in which they were raised.
type stream struct {
	*Detector
	now   time.Time
	found []event.Finding
	tells int
}

func newStream() *stream {
	countries := map[netip.Addr]string{home: "NL", away: "BR"}
	o := Options{Config: &config.Config{Detect: limits()}, UsesWatched: true, Country: func(a netip.Addr) string { return countries[a] }}
	return &stream{Detector: New(o, noon), now: noon}
}

func (s *stream) take(list []event.Finding) {
	s.tells += len(list)
	for _, f := range list {
		if i := slices.IndexFunc(s.found, func(g event.Finding) bool { return g.ID == f.ID }); i >= 0 {
			s.found[i] = f
		} else {
			s.found = append(s.found, f)
		}
	}
}

// wait lets time pass, with a tick each second at most 600 times.
func (s *stream) wait(t time.Duration) {
	step := max(time.Second, t/600)
	for end := s.now.Add(t); s.now.Before(end); {
		s.now = s.now.Add(min(step, end.Sub(s.now)))
		s.take(s.Tick(s.now))
		s.take(s.Counted())
	}
}

func (s *stream) put(e event.Event) {
	e.Time = s.now
	s.take(s.Observe(e))
}

func (s *stream) refuse(r event.Reason, a netip.Addr, client string) {
	s.put(event.Event{Kind: event.KindRefusal, Reason: r, Source: a, Client: client, Door: "ssh"})
}

// misuse is a refusal of what a client has signed.
func (s *stream) misuse(r event.Reason, a netip.Addr, client string) {
	s.put(event.Event{Kind: event.KindRefusal, Reason: r, Source: a, Client: client, Door: "ssh", Authenticated: true})
}

func (s *stream) broken(a netip.Addr, right, of int) {
	s.put(event.Event{Kind: event.KindRefusal, Reason: event.WrongKnock, Source: a, Door: "ssh", Right: right, Of: of})
}

func (s *stream) grant(r event.Reason, a netip.Addr, client string) {
	s.put(event.Event{Kind: event.KindGrant, Reason: r, Source: a, Client: client, Door: "ssh"})
}

// touch is a second in which a source touches ports from first on.
func (s *stream) touch(a netip.Addr, first, n int) {
	c := event.Contacts{Packets: uint64(n), Ports: uint32(n), First: s.now, Last: s.now}
	for i := range n {
		c.Seen |= event.PortBit(packet.Port{Proto: packet.TCP, Number: uint16(first + i)})
	}
	s.put(event.Event{Kind: event.KindContacts, Source: a, Count: c})
}

// contacts is a second in which a source sends very many packets; about the
// ports no more is known than how many there are, at least.
func (s *stream) contacts(a netip.Addr, packets, ports int) {
	s.put(event.Event{Kind: event.KindContacts, Source: a,
		Count: event.Contacts{Packets: uint64(packets), Ports: uint32(ports), Seen: math.MaxUint64, First: s.now, Last: s.now}})
}

func numbered(n int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x64000000+uint32(n)*7919)))
}

// brief is rule, severity, subject and count.
func brief(f event.Finding) string {
	text := fmt.Sprintf("%s %s", f.Rule, f.Severity)
	for _, word := range []string{f.Client, f.Door} {
		if word != "" {
			text += " " + word
		}
	}
	if f.Source.IsValid() {
		text += " " + f.Source.String()
	}
	if strings.HasSuffix(f.Rule, "-distributed") { // which sources share a bit is decided by lot
		return text + " ×many"
	}
	return fmt.Sprintf("%s ×%d", text, f.Count)
}

func (s *stream) briefs() []string {
	var list []string
	for _, f := range s.found {
		list = append(list, brief(f))
	}
	return list
}

// A near miss names the door, or the client whose secret it is, and the command
// that changes the secret. The other sequences are in the evidence.
func TestNearMissNamesWhatToChange(t *testing.T) {
	for _, test := range []struct{ client, sentence, command string }{
		{"", `203.0.113.66 knows the sequence of door "ssh" but for its last knock: part of the secret is no longer secret.`, "sallyport door rotate ssh"},
		{"bob", `203.0.113.66 knows the rotating sequence of client "bob" for door "ssh" but for its last knock: part of the secret is no longer secret.`, "sallyport client rotate bob --rotating"},
	} {
		s := newStream()
		miss := event.Event{Kind: event.KindRefusal, Reason: event.WrongKnock, Source: mole, Door: "ssh", Client: test.client, Right: 2, Of: 3}
		for range 4 {
			s.put(miss)
		}
		miss.Door, miss.Client = "web", ""
		s.put(miss)
		s.wait(time.Minute)
		f := s.found[len(s.found)-1]
		if f.Explanation != test.sentence || !strings.HasSuffix(f.Advice, " The command: "+test.command) || f.Door != "ssh" || f.Client != test.client {
			t.Errorf("%+v, want %q and %q", f, test.sentence, test.command)
		}
		if len(f.Evidence) != 2 || f.Evidence[1] != `2 right knocks of 3 of the sequence of door "web"` {
			t.Errorf("evidence %q", f.Evidence)
		}
	}
}

var cases = []struct {
	name string
	do   func(s *stream)
	want []string
}{
	{"19 ports in a minute", func(s *stream) { s.touch(mole, 1, 10); s.wait(50 * time.Second); s.touch(mole, 100, 4) }, nil},
	{"a scan of everything", func(s *stream) {
		for i := range 60 {
			s.touch(mole, 1+i*1000, 1000)
			s.wait(time.Second)
		}
	}, []string{"scan-fast low 203.0.113.66 ×60000"}},
	{"a scan of four ports a second", func(s *stream) {
		for i := range 30 {
			s.touch(mole, 1+i*4, 4)
			s.wait(time.Second)
		}
	}, []string{"scan-fast low 203.0.113.66 ×120"}},
	{"a scanner by the gate's judgement", func(s *stream) { s.refuse(event.Scanner, mole, ""); s.touch(mole, 1, 500) },
		[]string{"scan-fast low 203.0.113.66 ×501"}},
	{"a scanner breaks sequences", func(s *stream) {
		s.touch(mole, 1, 500)
		for range 50 {
			s.broken(mole, 2, 3)
		}
	}, []string{"scan-fast low 203.0.113.66 ×550"}},
	{"a port every five minutes", func(s *stream) {
		for i := range 40 {
			s.touch(mole, 1000+7*i, 1)
			s.wait(5 * time.Minute)
		}
	}, []string{"scan-slow medium 203.0.113.66 ×40"}},
	{"the same port every five minutes", func(s *stream) {
		for range 200 {
			s.touch(mole, 23, 1)
			s.wait(5 * time.Minute)
		}
	}, nil},
	{"500 sources with two ports each", func(s *stream) {
		for i := range 500 {
			s.touch(numbered(i), 2*i, 2)
			if i%5 == 0 {
				s.wait(time.Second)
			}
		}
	}, []string{"scan-distributed medium ×many"}},
	{"one source knocks on 3,000 times and gets in", func(s *stream) {
		for i := range 3000 {
			s.touch(home, i*3%60000, 2)
			s.grant(event.BySPA, home, "alice")
			s.put(event.Event{Kind: event.KindUse, Source: home, Client: "alice", Door: "ssh"})
			s.touch(home, i*3%60000+2, 1)
			s.wait(10 * time.Second)
		}
	}, nil},

	{"seven broken sequences", func(s *stream) {
		for range 7 {
			s.broken(mole, 1, 4)
		}
		s.wait(10 * time.Minute)
	}, nil},
	{"guessing", func(s *stream) {
		for range 200 {
			s.broken(mole, 1, 4)
			s.wait(time.Second)
		}
		s.wait(time.Hour)
	}, []string{"guessing medium 203.0.113.66 ×200"}},
	{"guessing that succeeds", func(s *stream) {
		for range 20 {
			s.broken(mole, 1, 4)
		}
		s.grant(event.BySequence, mole, "")
	}, []string{"guessing critical 203.0.113.66 ×21"}},
	{"guessing from 60 sources", func(s *stream) {
		for i := range 60 {
			s.broken(numbered(i), 1, 4)
			s.wait(time.Second)
		}
		s.wait(2 * time.Minute)
	}, []string{"guessing-distributed high ×many"}},
	{"60 people mistype and get in", func(s *stream) {
		for i := range 60 {
			s.broken(numbered(i), 1, 4)
			s.wait(5 * time.Second)
			s.grant(event.BySequence, numbered(i), "")
			s.put(event.Event{Kind: event.KindUse, Source: numbered(i), Door: "ssh"})
		}
		s.wait(2 * time.Minute)
	}, nil},
	{"one near miss, then in", func(s *stream) { s.broken(home, 2, 3); s.grant(event.BySequence, home, ""); s.wait(2 * time.Minute) }, nil},
	{"one near miss, given up", func(s *stream) { s.broken(home, 2, 3); s.wait(2 * time.Minute) }, []string{"near-miss info ssh 192.0.2.7 ×1"}},
	{"near misses", func(s *stream) {
		for range 5 {
			s.broken(mole, 2, 3)
		}
		s.wait(2 * time.Minute)
	}, []string{"near-miss high ssh 203.0.113.66 ×5"}},
	{"near misses of someone who has got in before", func(s *stream) {
		s.grant(event.BySequence, home, "")
		s.put(event.Event{Kind: event.KindUse, Source: home, Door: "ssh"})
		for range 5 {
			s.broken(home, 2, 3)
		}
		s.grant(event.BySequence, home, "")
		s.put(event.Event{Kind: event.KindUse, Source: home, Door: "ssh"})
	}, nil},
	{"near misses of a sequence of two", func(s *stream) {
		for range 5 {
			s.broken(mole, 1, 2)
		}
		s.wait(2 * time.Minute)
	}, nil},

	{"a copy by the network", func(s *stream) { s.refuse(event.Replayed, home, "alice") }, []string{"replay info alice 192.0.2.7 ×1"}},
	{"replays", func(s *stream) {
		for range 4 {
			s.refuse(event.Replayed, home, "alice")
		}
		s.wait(time.Minute)
	}, []string{"replay medium alice 192.0.2.7 ×4"}},
	{"interception", func(s *stream) { s.refuse(event.Intercepted, mole, "alice") }, []string{"interception high alice 203.0.113.66 ×1"}},
	{"a wrong clock", func(s *stream) {
		s.put(event.Event{Kind: event.KindClock, Reason: event.StaleTime, Source: home, Client: "alice", Detail: "3h behind"})
		s.refuse(event.StaleTime, home, "alice")
		s.wait(time.Minute)
	}, []string{"clock info alice 192.0.2.7 ×2"}},
	{"a stranger", func(s *stream) { s.refuse(event.UnknownClient, mole, "") }, []string{"unknown-client medium 203.0.113.66 ×1"}},
	{"a message that does not open", func(s *stream) { s.refuse(event.BadSeal, mole, "") }, []string{"unknown-client low 203.0.113.66 ×1"}},
	{"a client's name without its key", func(s *stream) { s.refuse(event.BadProof, mole, "alice") }, []string{"unknown-client high alice 203.0.113.66 ×1"}},
	{"the wrong door", func(s *stream) { s.misuse(event.ForbiddenDoor, home, "alice") }, []string{"forbidden-door info alice 192.0.2.7 ×1"}},
	{"the wrong door again and again", func(s *stream) {
		for range 6 {
			s.misuse(event.ForbiddenDoor, home, "alice")
		}
		s.wait(time.Minute)
	}, []string{"forbidden-door medium alice 192.0.2.7 ×6"}},
	{"the wrong place", func(s *stream) { s.misuse(event.ForbiddenFrom, mole, "alice") }, []string{"forbidden-place info alice 203.0.113.66 ×1"}},

	{"on the way from here to there", func(s *stream) {
		s.grant(event.BySPA, numbered(1), "alice")
		s.wait(time.Minute)
		s.grant(event.BySPA, numbered(1000), "alice")
	}, []string{"two-places info alice " + numbered(1000).String() + " ×1"}},
	{"in IPv4 and IPv6", func(s *stream) {
		s.grant(event.BySPA, mole, "alice")
		s.grant(event.BySPA, home6, "alice")
		s.grant(event.BySPA, mole, "alice")
	}, nil},
	{"in two places", func(s *stream) {
		for _, a := range []netip.Addr{mole, numbered(1), mole, numbered(1)} {
			s.grant(event.BySPA, a, "alice")
			s.wait(time.Minute)
		}
	}, []string{"two-places medium alice " + numbered(1).String() + " ×3"}},
	{"between two networks, there and back", func(s *stream) {
		for _, a := range []netip.Addr{mole, numbered(1), mole} {
			s.grant(event.BySPA, a, "alice")
			s.wait(time.Minute)
		}
	}, []string{"two-places info alice 203.0.113.66 ×2"}},
	{"elsewhere in the evening", func(s *stream) {
		s.grant(event.BySPA, mole, "alice")
		s.wait(3 * time.Hour)
		s.grant(event.BySPA, numbered(1), "alice")
	}, nil},
	{"in a new country", func(s *stream) {
		s.grant(event.BySPA, home, "alice")
		s.wait(3 * time.Hour)
		s.grant(event.BySPA, away, "alice")
		s.grant(event.BySPA, away, "alice")
	}, []string{"new-country medium alice 198.51.100.9 ×1"}},

	{"opened and used", func(s *stream) {
		s.grant(event.BySPA, home, "alice")
		s.put(event.Event{Kind: event.KindUse, Source: home, Client: "alice", Door: "ssh"})
		s.put(event.Event{Kind: event.KindExpiry, Source: home, Client: "alice", Door: "ssh"})
	}, nil},
	{"opened and never used", func(s *stream) {
		for range 10 {
			s.grant(event.BySPA, home, "alice")
			s.put(event.Event{Kind: event.KindExpiry, Source: home, Client: "alice", Door: "ssh"})
			s.wait(time.Minute)
		}
	}, []string{"opened-never-used low alice ssh ×10"}},
	{"kept open by a dozen machines, used, and ended", func(s *stream) {
		places := []netip.Addr{home}
		for len(places) < 12 {
			places = append(places, places[len(places)-1].Next())
		}
		for range 3 {
			for _, place := range places {
				s.grant(event.BySequence, place, "alice")
				s.put(event.Event{Kind: event.KindUse, Source: place, Client: "alice", Door: "ssh"})
				s.grant(event.BySequence, place, "alice") // renewed
			}
		}
		for _, place := range places {
			s.put(event.Event{Kind: event.KindExpiry, Source: place, Client: "alice", Door: "ssh"})
		}
	}, nil},
	{"failed logins of someone who never knocked", func(s *stream) {
		for range 50 {
			s.put(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: mole})
		}
	}, nil},
	{"failed logins", func(s *stream) {
		s.grant(event.BySequence, mole, "")
		for range 12 {
			s.put(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: mole})
		}
		s.wait(time.Minute)
	}, []string{"failed-logins high 203.0.113.66 ×12"}},
	{"nine failed logins, then in", func(s *stream) {
		s.grant(event.BySequence, home, "")
		for range 3 {
			for range 9 {
				s.put(event.Event{Kind: event.KindLogin, Reason: event.LoginFailed, Source: home})
			}
			s.put(event.Event{Kind: event.KindLogin, Reason: event.LoginAccepted, Source: home})
		}
	}, nil},
	{"a burst", func(s *stream) {
		s.put(event.Event{Kind: event.KindRefusal, Reason: event.BadTag, Count: event.Contacts{Packets: 1e6}})
		s.wait(time.Minute)
	}, nil},
	{"a flood", func(s *stream) {
		for range 5 {
			s.put(event.Event{Kind: event.KindRefusal, Reason: event.BadTag, Count: event.Contacts{Packets: 20_000}})
			s.wait(time.Second)
		}
		s.wait(time.Minute)
	}, []string{"flood medium ×100000"}},
	{"every port, TCP and UDP, each tried twice, in nine seconds", func(s *stream) {
		for range 9 {
			s.contacts(mole, 2*2*65535/9, 7000)
			s.wait(time.Second)
		}
		s.wait(time.Minute)
	}, []string{"scan-fast low 203.0.113.66 ×262134"}},
	{"more than a scan of everything needs, from one source", func(s *stream) {
		for range 30 {
			s.contacts(mole, 100_000, 7000)
			s.wait(time.Second)
		}
		s.wait(time.Minute)
	}, []string{"scan-fast low 203.0.113.66 ×3000000", "flood medium ×1600000"}},
	{"one port again and again, from one source", func(s *stream) {
		for range 5 {
			s.contacts(mole, 20_000, 1)
			s.wait(time.Second)
		}
		s.wait(time.Minute)
	}, []string{"flood medium ×100000"}},
	{"a flood while someone scans", func(s *stream) {
		for range 5 {
			s.contacts(mole, 20_000, 7000)
			s.put(event.Event{Kind: event.KindContacts, Count: event.Contacts{Packets: 20_000}})
			s.wait(time.Second)
		}
		s.wait(time.Minute)
	}, []string{"scan-fast low 203.0.113.66 ×100000", "flood medium ×100000"}},
}

func TestFindings(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newStream()
			c.do(s)
			s.wait(11 * time.Second) // the latest counts are told
			if got := s.briefs(); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			for _, f := range s.found {
				if f.ID == "" || len(f.Explanation) < 20 || f.Advice == "" || f.Last.Before(f.First) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Several may scan at a time, but what ever more sources send is a flood,
// however much each of them looks like a scan.
func TestFloodsOutOfScans(t *testing.T) {
	for _, c := range []struct {
		name             string
		seconds, sources int
		others           bool // each second
		packets, ports   int
		flood            bool
	}{
		{"sixteen share a scan", 5, 16, false, 2 * 65_535 / 16, 4000, false},
		{"four scan everything", 5, 4, false, 2 * 65_535, 7000, false},
		{"a hundred go on", 20, 100, false, 10_000, 5000, true},
		{"ever others", 20, 100, true, 10_000, 5000, true},
	} {
		s := newStream()
		for second := range c.seconds {
			for i := range c.sources {
				if c.others {
					i += second * c.sources
				}
				s.contacts(numbered(i), c.packets, c.ports)
			}
			s.wait(time.Second)
		}
		s.wait(time.Minute)
		if got := slices.ContainsFunc(s.found, func(f event.Finding) bool { return f.Rule == "flood" }); got != c.flood {
			t.Errorf("%s: %q", c.name, s.briefs())
		}
	}
}

func TestRotationOverdue(t *testing.T) {
	due := noon.AddDate(0, -2, 0)
	cfg := &config.Config{Detect: limits(), Gate: config.Gate{RotationDue: 30 * 24 * time.Hour},
		Doors: []config.Door{{Name: "ssh", Sequence: make([]packet.Port, 3), Changed: due}, {Name: "web", Sequence: make([]packet.Port, 3), Changed: noon}}}
	var ids []string
	for range 2 { // a restart in between
		s := &stream{Detector: New(Options{Config: cfg}, noon), now: noon}
		s.wait(12 * time.Hour)
		if got := s.briefs(); !slices.Equal(got, []string{"rotation-overdue low ssh ×1"}) {
			t.Fatal(got)
		}
		ids = append(ids, s.found[0].ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("after a restart it is another finding: %q", ids)
	}
}

func TestExposedDoors(t *testing.T) {
	var open []Exposure
	s := &stream{Detector: New(Options{Config: &config.Config{Detect: limits()}, Exposed: func() []Exposure { return open }}, noon), now: noon}
	s.wait(time.Hour)
	if got := s.briefs(); len(got) != 0 {
		t.Fatalf("nothing is exposed: %q", got)
	}
	open = []Exposure{{"translated-address", "door ingress"}, {"vrf", "mgmt"}}
	s.wait(time.Hour)
	if got := s.briefs(); len(got) != 1 || !strings.HasPrefix(got[0], "exposed high") {
		t.Fatalf("found %q, want one finding for as long as it lasts", got)
	}
	if f := s.found[0]; !slices.Equal(f.Evidence, []string{"translated-address: door ingress", "vrf: mgmt"}) || f.Count != 1 {
		t.Errorf("finding %+v", f)
	}
	open = nil
	s.wait(time.Hour)
	open = []Exposure{{"vrf", "mgmt"}}
	s.wait(time.Hour)
	if got := s.briefs(); len(got) != 2 {
		t.Errorf("found %q, want another one when it comes again", got)
	}
}

func TestAFindingIsToldOnceAndThenCounted(t *testing.T) {
	s := newStream()
	for i := range 50_000 {
		s.touch(mole, i, 30)
		if i%200 == 0 {
			s.wait(time.Second)
		}
	}
	if len(s.found) != 1 || s.tells > 27 {
		t.Errorf("%d findings, told %d times in 250 s", len(s.found), s.tells)
	}
	first := s.found[0].ID
	s.wait(time.Hour)
	s.touch(mole, 1, 30)
	if len(s.found) != 2 || s.found[1].ID == first {
		t.Errorf("after an hour of quiet: %q", s.briefs())
	}
}

// Anybody can pretend to be very many scanners.
func TestManyScannersAreOneFinding(t *testing.T) {
	s := newStream()
	for i := range 20_000 {
		s.touch(numbered(i), 1, 100)
	}
	s.wait(20 * time.Second)
	if n := len(s.found); n > apart+1 {
		t.Errorf("%d findings", n)
	}
	if last := s.found[len(s.found)-1]; last.Rule != "scan-distributed" || last.Severity != event.Medium || last.Count < 1_000_000 {
		t.Errorf("%+v", last)
	}
}

// What more scanners than can be told apart amount to is not less severe for that.
func TestTheFirstScannerBeyondTheOthers(t *testing.T) {
	s := newStream()
	for i := range apart + 1 {
		s.touch(numbered(i), 1, 100)
	}
	s.wait(time.Second)
	if last := s.found[len(s.found)-1]; last.Rule != "scan-distributed" || last.Severity != event.Medium {
		t.Errorf("%+v", last)
	}
}

// A patient scan is seen while a million other sources come by.
func TestSlowScanInAFlood(t *testing.T) {
	s := newStream()
	for i := range 30 {
		s.touch(mole, 1000+7*i, 1)
		s.wait(time.Minute)
		for n := range 50_000 {
			s.touch(numbered(i*50_000+n), 80, 1)
		}
		s.wait(4 * time.Minute)
		if i == 2 && s.sources.find(mole) == nil {
			t.Skip("forgotten before its second port: what happens to one of very few")
		}
	}
	if !slices.ContainsFunc(s.found, func(f event.Finding) bool { return f.Rule == "scan-slow" && f.Source == mole }) {
		t.Errorf("%q", s.briefs())
	}
}

// Someone who guesses sequences of ports that are chosen by their classes, three
// a second, which is little enough for his knocks to count.
func TestPatientGuesser(t *testing.T) {
	s := newStream()
	var chosen []int
	var classes uint64
	for n := 7000; len(chosen) < 300; n++ {
		bit := event.PortBit(packet.Port{Proto: packet.TCP, Number: uint16(n)})
		if classes&bit != 0 || bits.OnesCount64(classes) < 16 {
			classes |= bit
			chosen = append(chosen, n)
		}
	}
	for i := range 400 {
		c := event.Contacts{Packets: 3, Ports: 3, First: s.now, Last: s.now}
		for k := range 3 {
			c.Seen |= event.PortBit(packet.Port{Proto: packet.TCP, Number: uint16(chosen[(i*7+k*11)%len(chosen)])})
		}
		s.put(event.Event{Kind: event.KindContacts, Source: mole, Count: c})
		s.wait(time.Second)
	}
	if !slices.ContainsFunc(s.found, func(f event.Finding) bool { return f.Rule == "scan-slow" && f.Source == mole }) {
		t.Errorf("%q", s.briefs())
	}
}

// A program that tries the same few closed ports for ever is none.
func TestProgramThatTriesAgain(t *testing.T) {
	s := newStream()
	for range 3000 {
		s.touch(mole, 1000, 5)
		s.wait(5 * time.Second)
	}
	if len(s.found) != 0 {
		t.Errorf("%q", s.briefs())
	}
}

func TestIPv6SourceIsItsNetwork(t *testing.T) {
	s := newStream()
	b := home6.As16()
	for i := range 40 {
		b[15] = byte(i)
		s.touch(netip.AddrFrom16(b), 1000+i, 1)
		s.wait(time.Second)
	}
	s.wait(10 * time.Second)
	if got := s.briefs(); len(got) != 1 || s.found[0].Rule != "scan-fast" {
		t.Errorf("%q", got)
	}
}

func TestClockSetBack(t *testing.T) {
	s := newStream()
	s.touch(mole, 1, 30)
	s.now = s.now.Add(-24 * time.Hour)
	s.touch(mole, 1, 30)
	s.wait(20 * time.Second)
	if len(s.found) != 1 || s.found[0].Last.Before(s.found[0].First) {
		t.Errorf("%+v", s.found)
	}
}

// The daemon's ticks have a monotonic reading, the kernel's times have none.
func TestTimeWithAndWithoutMonotonicReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Config: &config.Config{Detect: limits()}}, time.Now())
		time.Sleep(time.Hour)
		d.Tick(time.Now())
		before := d.at()
		d.Observe(event.Event{Kind: event.KindContacts, Source: mole, Time: time.Now().Round(0).Add(-24 * time.Hour)}) // the clock was set back
		if after := d.at(); after != before {
			t.Errorf("%d seconds have become %d", before, after)
		}
		d.Tick(time.Now()) // with the monotonic reading that it had
		if after := d.at(); after-before > 25*60*60 {
			t.Errorf("%d seconds have become %d", before, after)
		}
	})
}

// Windows go on ending, and counts being told, after the clock was a day ahead.
func TestWindowsEndAfterTheClockWasSetBack(t *testing.T) {
	s := newStream()
	s.now = s.now.Add(24 * time.Hour)
	s.touch(mole, 1, 15)
	s.touch(away, 1, 30)
	s.now = s.now.Add(-24 * time.Hour)
	s.wait(2 * time.Minute)
	s.touch(mole, 100, 15) // more than scan_window later
	s.touch(away, 100, 30)
	s.wait(20 * time.Second)
	if got := s.briefs(); !slices.Equal(got, []string{"scan-fast low 198.51.100.9 ×60"}) {
		t.Fatalf("%q", got)
	}
	if f := s.found[0]; f.Last.Before(f.First) || f.Last.After(s.now) || s.now.Sub(f.Last) > time.Minute {
		t.Errorf("from %s to %s, and it is %s", f.First, f.Last, s.now)
	}
	s.wait(time.Hour)
	s.touch(away, 1, 30)
	if len(s.found) != 2 {
		t.Errorf("the finding is never over: %q", s.briefs())
	}
}

// The document tells every rule, and no other.
func TestRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/FINDINGS.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	var have []string
	for _, r := range rules() {
		have = append(have, r.name)
		if !strings.HasSuffix(r.advice, ".") || r.quiet < time.Minute {
			t.Errorf("%s: advice %q, over after %s", r.name, r.advice, r.quiet)
		}
	}
	if !slices.Equal(told, have) {
		t.Errorf("the document has\n%q\nthe rules are\n%q", told, have)
	}
}

// However many sources are invented, day after day, so many findings about them
// are begun in a day, and what many amount to is told.
func TestInventedSourcesHaveADailyNumber(t *testing.T) {
	d := New(Options{Config: &config.Config{Detect: limits()}}, noon)
	begun := make(map[string]int)
	count := func(list []event.Finding) {
		for _, f := range list {
			if !f.Hostile {
				t.Errorf("%+v is not the work of strangers", f)
			}
			begun[f.ID]++
		}
	}
	const days = 3
	n := 0
	for minute := range days * 24 * 60 / 10 { // what was found is over by the next time
		now := noon.Add(time.Duration(minute) * 10 * time.Minute)
		for range 100 {
			n++
			source := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
			count(d.Observe(event.Event{Time: now, Kind: event.KindContacts, Source: source, Count: event.Contacts{Packets: 50, Ports: 50}}))
		}
		count(d.Tick(now.Add(9 * time.Minute)))
	}
	if len(begun) < days*perDay || len(begun) > (days+1)*2*(perDay+24) {
		t.Errorf("%d findings in %d days about %d sources", len(begun), days, n)
	}
}

// staticSequence is a stream at a host whose door has a static sequence.
func staticSequence() *stream {
	s := newStream()
	cfg := *s.opts.Config
	cfg.Doors = []config.Door{{Name: "ssh", Sequence: []packet.Port{{Proto: packet.TCP, Number: 7000}, {Proto: packet.TCP, Number: 7001}, {Proto: packet.TCP, Number: 7002}}}}
	s.Reconfigure(Options{Config: &cfg})
	return s
}

// People on their way in touch closed ports, which is no scan, however slowly they
// do it and however often they begin again.
func TestKnocksAreNoScan(t *testing.T) {
	s := staticSequence()
	for i := range 500 {
		if i%10 == 0 {
			s.touch(home, 7000, 2) // does not go on
			s.wait(20 * time.Second)
		}
		for port := 7000; port < 7002; port++ {
			s.touch(home, port, 1)
			s.wait(time.Second)
		}
		s.grant(event.BySequence, home, "")
		s.touch(home, 7002, 1)
		s.put(event.Event{Kind: event.KindUse, Source: home, Door: "ssh"})
		s.wait(time.Minute)
	}
	if len(s.found) != 0 {
		t.Errorf("%q", s.briefs())
	}
}

// Who has overheard a sequence hides no scan behind it.
func TestScanBetweenKnocks(t *testing.T) {
	for name, ports := range map[string]int{"beside the knocks": 12, "a few at a time": 2} {
		t.Run(name, func(t *testing.T) {
			s := staticSequence()
			for i := range 200 {
				s.touch(mole, 10_000+ports*i, ports)
				s.touch(mole, 7000, 3)
				s.grant(event.BySequence, mole, "")
				s.touch(mole, 40_000+ports*i, ports)
				s.wait(3 * time.Second)
			}
			if !slices.ContainsFunc(s.found, func(f event.Finding) bool { return strings.HasPrefix(f.Rule, "scan-") && f.Source == mole }) {
				t.Errorf("%q", s.briefs())
			}
		})
	}
}
