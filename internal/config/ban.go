package config

import (
	"fmt"
	"slices"
	"time"

	"sallyport/internal/packet"
)

// Ban says whom to keep out for a while. Only what cannot be forged is held
// against anybody.
type Ban struct {
	Enabled bool          // default false
	For     time.Duration // 1m to 720h; default 1h
	Tries   int           // pieces of evidence within 10 minutes; 1 to 100; default 3
	Decoys  []packet.Port // TCP ports on which the daemon listens so that others fall for them; no doors, no knocks
}

// MaxDecoys is how many decoys there are at most: each has a bound of connections.
const MaxDecoys = 16

func (l *loader) readBan(t *table) {
	s := l.section("ban", t)
	l.ban = s
	l.config.Ban = Ban{
		Enabled: s.boolean("enabled", false),
		For:     s.duration("for", time.Hour, time.Minute, 720*time.Hour),
		Tries:   s.count("tries", 3, 1, 100),
		Decoys:  portList(s, "decoys", `TCP ports in quotes, such as ["tcp/23"]`, parseDecoys),
	}
	if n := len(l.config.Ban.Decoys); n > MaxDecoys {
		s.errorf(s.at("decoys"), "decoys has %d ports: want at most %d", n, MaxDecoys)
	}
	s.finish()
}

func parseDecoys(text string) (packet.Range, error) {
	r, err := packet.ParseRange(text)
	if err == nil && r.First.Proto != packet.TCP {
		err = fmt.Errorf("%q is not a TCP port: anybody can forge the source of a datagram", text)
	}
	return r, err
}

// checkDecoys: a decoy must be open to everybody, and nobody honest has
// business there.
func (l *loader) checkDecoys() {
	for _, p := range l.config.Ban.Decoys {
		at := l.ban.at("decoys")
		if i, door := l.owners[p]; door {
			l.ban.errorf(at, "decoys: %s belongs to door %q: want ports that nobody honest uses", p, l.config.Doors[i].Name)
		} else if l.config.Gate.Policy == PolicyAll && !slices.Contains(l.config.Gate.Public, p) {
			l.ban.errorf(at, `decoys: %s is closed by policy "all", so that nobody falls for it: add it to public in [gate]`, p)
		}
		for _, w := range l.ways() {
			if slices.Contains(w.knocks, p) {
				l.ban.errorf(at, "decoys: %s is a knock of %s (%s): anyone who knocks would be banned", p, w.s.title(), w.key)
				break
			}
		}
	}
}
