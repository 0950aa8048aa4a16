package config

import (
	"testing"
	"time"
)

var defaultDetect = Detect{Enabled: true, ScanPorts: 20, ScanWindow: time.Minute, SlowPorts: 20, SlowWindow: 24 * time.Hour, ScanSources: 200,
	Guesses: 8, GuessSources: 20, NearMisses: 4, Replays: 3, Forbidden: 5, TwoPlaces: 5 * time.Minute, Unused: 10, FailedLogins: 10, Flood: 10_000}

func TestDetect(t *testing.T) {
	changed := defaultDetect
	changed.Enabled, changed.ScanPorts, changed.SlowWindow, changed.SSHLog = false, 5, 48*time.Hour, "/var/log/auth.log"
	journal := defaultDetect
	journal.SSHLog = SSHJournal
	for _, c := range []struct {
		toml string
		want Detect
	}{
		{"#", defaultDetect},
		{"detect.ssh_log='journal'", journal},
		{"[detect]\nenabled=false\nscan_ports=5\nslow_window='48h'\nssh_log='/var/log/auth.log'", changed},
	} {
		if got := loaded(t, "sallyport.toml", c.toml).Detect; got != c.want {
			t.Errorf("%q: %+v, want %+v", c.toml, got, c.want)
		}
	}
	for _, c := range []struct{ toml, want string }{
		{"detect.scan_ports=4", `:1: detect: scan_ports = 4: want a number, 5 to 200`},
		{"detect.scan_ports=-1", `:1: detect: scan_ports = -1: want a number, 5 to 200`},
		{"detect.scan_ports='20'", `:1: detect: scan_ports = "20": want a number, 5 to 200`},
		{"detect.two_places='2h'", `:1: detect: two_places = "2h": want 10s to 1h`},
		{"detect.geoip='country.mmdb'", `:1: detect: geoip = "country.mmdb": want an absolute path`},
		{"detect.ssh_log='auth.log'", `:1: detect: ssh_log = "auth.log": want an absolute path, or "journal" for the journal of systemd`},
		{"detect.guess=3", `:1: detect: unknown key "guess": did you mean "guesses"?`},
	} {
		refuses(t, tree("sallyport.toml", c.toml), main+c.want)
	}
}
