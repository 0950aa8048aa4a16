//go:build linux

package host

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect"
	"sallyport/internal/event"
	"sallyport/internal/inspect"
	"sallyport/internal/lint"
	"sallyport/internal/netstate"
)

const (
	exposureEvery = 5 * time.Second // how often interfaces are looked at
	rulesEvery    = 5 * time.Minute // and translations: a cluster has tens of thousands of rules
)

// Exposure is what the host does around the doors: what other tables translate,
// which interfaces are there. Its methods may be called by several
// goroutines at once.
type Exposure struct {
	read time.Time // when translations were, by the task

	mu       sync.Mutex
	rules    []lint.Forwarded
	failed   string // why they could not be read
	problems []lint.Problem
}

// Look finds out by what doors are open on this host, with the translations that
// were read last.
func (x *Exposure) Look(cfg *config.Config, own netstate.Own) error {
	links, err := netstate.Links()
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	host := lint.Facts{Own: own.All(), Published: x.rules}
	for _, l := range links {
		host.Links = append(host.Links, l.Name)
		if l.Of != "" {
			host.Parts = append(host.Parts, lint.Part{Name: l.Name, Of: l.Of})
		}
		if l.Kind == "vrf" {
			host.VRFs = append(host.VRFs, l.Name)
		}
	}
	x.problems = slices.DeleteFunc(lint.Exposed(cfg, &host), func(p lint.Problem) bool { return !p.Severity.AtLeast(lint.Warning) })
	return nil
}

// readRules reads translations when they are old. That may take seconds, in which
// anyone who asks for the status does not wait.
func (x *Exposure) readRules(now time.Time) {
	if !x.read.IsZero() && now.Sub(x.read) < rulesEvery && !now.Before(x.read) {
		return
	}
	x.read = now
	published, err := inspect.Published()
	rules, failed := make([]lint.Forwarded, len(published)), ""
	for i, f := range published {
		rules[i] = lint.Forwarded(f)
	}
	if err != nil {
		failed = "whether other addresses or ports lead to doors is not known: " + err.Error()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rules, x.failed = rules, failed
}

// List returns what was found, for the status.
func (x *Exposure) List() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []string
	if x.failed != "" {
		list = append(list, x.failed)
	}
	for _, p := range x.problems {
		list = append(list, p.Text+": "+p.Remedy)
	}
	return list
}

// Found returns by what doors are open, for findings. One of several interfaces
// may be missing because it has not come yet, such as that of a modem.
func (x *Exposure) Found() []detect.Exposure {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []detect.Exposure
	for _, p := range x.problems {
		if p.Rule != "missing-interface" || p.Severity == lint.Error {
			list = append(list, detect.Exposure{Rule: p.Rule, Text: p.Text})
		}
	}
	return list
}

// Watch looks at the host again and again until the context ends, and reports when a
// door is open by what others have changed there.
func (x *Exposure) Watch(ctx context.Context, look func() error, put func(event.Event), log *slog.Logger) error {
	every := time.NewTicker(exposureEvery)
	defer every.Stop()
	last := ""
	for {
		x.readRules(time.Now())
		if err := look(); err != nil {
			log.Warn("the view of interfaces is out of date", "error", err)
		}
		if text := strings.Join(x.List(), "; "); text != last {
			last = text
			if text != "" {
				put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: text})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}
