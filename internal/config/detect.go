package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Detect says from when on something is worth a look. Numbers are per source
// unless they say otherwise.
type Detect struct {
	Enabled bool // default true

	ScanPorts   int           // closed ports that make a scan, within ScanWindow; default 20
	ScanWindow  time.Duration // default 1m
	SlowPorts   int           // closed ports that make a slow scan, within SlowWindow; default 20
	SlowWindow  time.Duration // default 24h
	ScanSources int           // sources that make a distributed scan, within 10 minutes; default 200

	Guesses      int // broken sequences that make guessing, within 10 minutes; default 8
	GuessSources int // sources of broken sequences that make distributed guessing, within an hour; default 20
	NearMisses   int // sequences right but for one knock that make a known secret, within an hour; default 4

	Replays      int           // repeated messages that are more than a network's copies, within an hour; default 3
	Forbidden    int           // requests of a client for doors it may not open that are no mistake, within a day; default 5
	TwoPlaces    time.Duration // a client in two networks within this time is in two places; default 5m
	Unused       int           // grants in a row that nobody used; default 10
	FailedLogins int           // failed logins after a door was opened, within 10 minutes; default 10
	Flood        int           // hostile packets a second, from all sources; default 10,000

	SSHLog string // absolute path of the file that sshd's lines go to, or SSHJournal; empty: not read
	GeoIP  string // absolute path of a country database; empty: countries are not known
}

// SSHJournal in the place of a file is the journal of systemd.
const SSHJournal = "journal"

func (l *loader) readDetect(t *table) {
	s := l.section("detect", t)
	l.config.Detect = Detect{
		Enabled:      s.boolean("enabled", true),
		ScanPorts:    s.count("scan_ports", 20, 5, 200),
		ScanWindow:   s.duration("scan_window", time.Minute, time.Second, time.Hour),
		SlowPorts:    s.count("slow_ports", 20, 5, 100),
		SlowWindow:   s.duration("slow_window", 24*time.Hour, time.Hour, 7*24*time.Hour),
		ScanSources:  s.count("scan_sources", 200, 10, 50_000),
		Guesses:      s.count("guesses", 8, 2, 1000),
		GuessSources: s.count("guess_sources", 20, 2, 50_000),
		NearMisses:   s.count("near_misses", 4, 1, 100),
		Replays:      s.count("replays", 3, 1, 1000),
		Forbidden:    s.count("forbidden", 5, 1, 1000),
		TwoPlaces:    s.duration("two_places", 5*time.Minute, 10*time.Second, time.Hour),
		Unused:       s.count("unused", 10, 2, 1000),
		FailedLogins: s.count("failed_logins", 10, 2, 1000),
		Flood:        s.count("flood", 10_000, 100, 10_000_000),
		SSHLog:       s.sshLog("ssh_log"),
		GeoIP:        readPath(s, "geoip", ""),
	}
	s.finish()
}

// sshLog reads where sshd's lines are.
func (s *section) sshLog(key string) string {
	const want = `an absolute path, or "journal" for the journal of systemd`
	v := s.scalar(key, unstable.String, want)
	switch {
	case v == nil:
		return ""
	case v.text == SSHJournal:
		return SSHJournal
	}
	return cleanPath(s, key, v, want)
}

// count reads an integer between two limits, both allowed.
func (s *section) count(key string, otherwise, least, most int) int {
	want := fmt.Sprintf("a number, %d to %d", least, most)
	v := s.scalar(key, unstable.Integer, want)
	if v == nil {
		return otherwise
	}
	n, err := strconv.ParseInt(v.text, 0, 64)
	if err != nil || n < int64(least) || n > int64(most) {
		s.bad(key, v, want)
		return otherwise
	}
	return int(n)
}
