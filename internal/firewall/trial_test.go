//go:build linux

package firewall

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/lab"
)

func (w *world) try(old, cfg *config.Config, left time.Duration) {
	w.t.Helper()
	w.do(func() error { return w.Gate.Do(func() error { return w.f.Try(old, cfg, left) }) })
}

// opens waits until a port that is closed opens by itself.
func (w *world) opens(h *lab.Host, network string, to netip.AddrPort) {
	w.t.Helper()
	w.eventually(network+" "+to.String()+" opens", func() bool { return w.probe(h, network, to, silence) == lab.Open })
}

// The kernel goes back to the old doors by itself: nobody lives who could.
func TestTrialEndsByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	old, cfg := guarding(doorTo("ssh", "tcp/22")), guarding(doorTo("web", "tcp/80"), doorTo("dns", "udp/53", "tcp/53"))
	w.apply(old)
	ssh, web := at(w.Client.Gate4, 22), at(w.Client.Gate6, 80)
	w.closed(w.Client, "tcp", ssh)
	w.open(w.Client, "tcp", web)
	session := w.connect(w.Client, web)

	w.try(old, cfg, 1500*time.Millisecond)
	w.do(w.f.Close)
	w.open(w.Client, "tcp", ssh)
	w.closed(w.Client, "tcp", web)
	w.lives(session, "on trial")

	w.closes(w.Client, "tcp", ssh)
	w.opens(w.Client, "tcp", web)
	w.lives(session, "after the trial")
}

func TestTrialOfTheFirstDoors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	all := everything()
	all.Gate.Interfaces, all.Gate.Closed = nil, config.ClosedDrop
	w.try(&config.Config{}, all, 1500*time.Millisecond)
	w.do(w.f.Close)
	ssh := at(w.Client.Gate4, 22)
	w.closed(w.Client, "tcp", ssh)
	w.opens(w.Client, "tcp", ssh)
}

// What stays after a trial is what there would be without one.
func TestTrialLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	list := func() string { // without what changes by itself, and the order of chains
		text := regexp.MustCompile(`(expires|timeout) \w+|packets \d+ bytes \d+`).ReplaceAllString(w.nft("list", "table", "inet", tableName), "")
		blocks := strings.Split(strings.TrimSuffix(strings.TrimSpace(text), "}"), "\n\n")
		for i := range blocks {
			blocks[i] = strings.TrimSpace(blocks[i])
		}
		slices.Sort(blocks)
		return strings.Join(blocks, "\n\n")
	}
	old, cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("old", "tcp/1", "tcp/2")), everything()
	w.apply(old)
	without := list()
	w.apply(cfg)
	wanted := list()
	w.apply(old)
	for range 2 { // a trial can be begun again
		w.try(old, cfg, time.Hour)
	}
	if text := list(); !strings.Contains(text, "meta nfproto @trial goto trial-prerouting") {
		t.Errorf("no trial:\n%s", text)
	}
	w.apply(old)
	if got := list(); got != without {
		t.Errorf("rolled back:\n%s\nwant\n%s", got, without)
	}
	w.try(old, cfg, time.Hour)
	w.apply(cfg)
	if got := list(); got != wanted {
		t.Errorf("confirmed:\n%s\nwant\n%s", got, wanted)
	}
}

func TestTrialKeepsGrants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	old := guarding(doorTo("ssh", "tcp/22"))
	w.apply(old)
	w.grant("ssh", w.Client, time.Hour)
	cfg := guarding(doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80"))
	w.try(old, cfg, time.Hour)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.grant("web", w.Client, time.Hour) // given on trial
	w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	w.do(w.f.Close)
	w.f = w.newFirewall(Options{}) // another process goes on with it
	w.try(old, cfg, time.Hour)
	if got := len(w.grants()); got != 4 {
		t.Errorf("%d grants go on, want 4", got)
	}
	w.apply(cfg)
	w.open(w.Client, "tcp", at(w.Client.Gate4, 22))
	w.open(w.Client, "tcp", at(w.Client.Gate4, 80))
	if err := w.f.Try(old, cfg, 0); err == nil {
		t.Error("a trial without time")
	}
}

// Grants that were given on trial end with it, though the configuration that
// follows is the one whose grants the table held before.
func TestGrantsOfATrialEndWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lab.Options{})
	old, cfg := guarding(doorTo("ssh", "tcp/22")), guarding(doorTo("ssh", "tcp/22"), doorTo("web", "tcp/80"))
	web := at(w.Client.Gate4, 80)
	w.apply(old)
	w.try(old, cfg, time.Hour)
	w.closed(w.Client, "tcp", web)
	w.grant("web", w.Client, time.Hour)
	w.open(w.Client, "tcp", web)

	w.do(w.f.Close)
	w.f = w.newFirewall(Options{})
	w.apply(old)
	w.apply(cfg)
	w.closed(w.Client, "tcp", web)
}
