// Package webhook tells places on the web what happens: a POST for each event
// that a place wants to hear of, as JSON.
//
// A message is put on the disk before it is sent, and removed when the place
// has said that it has it; so what could not be sent is sent when the place can
// be reached again, after a restart too, in order, and in rare cases twice.
// Tries are a second apart at first and five minutes in the end. A place that
// says that a message is wrong (a status of 4xx, but for 408, 425 and 429) does
// not get it again. A thousand messages wait for each place; then the oldest
// make room. Whatever is given up is told. Nothing ever waits for a place.
//
// A place that is reconciled is another thing: it is kept at what is open. See mirror.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/siem"
)

// Sender sends to all places. Put may be called by any goroutine, Set and Run
// as the daemon does: Set again while Run goes on.
type Sender struct {
	dir     string
	product siem.Product
	failed  func(event.Event)
	log     *slog.Logger
	grants  func(context.Context) ([]event.Grant, error) // what is open, for mirrors
	started time.Time
	first   time.Duration // pause after the first failure
	look    time.Duration // how often a mirror looks by itself

	mu      sync.Mutex
	places  []*place
	running context.Context // of Run; nil before
	all     sync.WaitGroup
}

// New returns a sender without places. Messages wait in folders below dir, which
// is made when it is needed. failed is given an event for what is given up, and
// must not block. Grants are what is open, for places that are kept at that; it fails while
// that is not known.
func New(dir string, product siem.Product, grants func(context.Context) ([]event.Grant, error), failed func(event.Event), log *slog.Logger) *Sender {
	return &Sender{dir: dir, product: product, grants: grants, started: time.Now(), failed: failed, log: log, first: firstPause, look: lookEvery}
}

// Set replaces the places. What waits for a place that stays waits on.
func (s *Sender) Set(list []config.Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var places, fresh []*place
	for _, w := range list {
		i := slices.IndexFunc(s.places, func(p *place) bool { return same(p.config, w) })
		if i >= 0 {
			places = append(places, s.places[i])
			s.places = slices.Delete(s.places, i, i+1)
			continue
		}
		p := s.newPlace(w)
		places, fresh = append(places, p), append(fresh, p)
	}
	for _, gone := range s.places {
		gone.end()
	}
	for _, p := range fresh {
		for _, gone := range s.places {
			if gone.spool.dir == p.spool.dir {
				p.before = gone.done
			}
		}
		s.start(p)
	}
	s.places = places
}

// same reports whether two webhooks are one, wherever they are written.
func same(a, b config.Webhook) bool {
	return a.URL == b.URL && a.Format == b.Format && a.Link == b.Link && a.Reconcile == b.Reconcile && a.MinSeverity == b.MinSeverity && a.TokenFile == b.TokenFile && a.Timeout == b.Timeout && slices.Equal(a.On, b.On)
}

// Put takes an event and never blocks.
func (s *Sender) Put(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.places {
		p.put(e)
	}
}

// Run sends until the context ends.
func (s *Sender) Run(ctx context.Context) error {
	s.mu.Lock()
	s.running = ctx
	s.sweep()
	for _, p := range s.places {
		s.start(p)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.all.Wait()
	return nil
}

// sweep removes what waits for places that are gone from the configuration.
// Folders of other names are not ours.
func (s *Sender) sweep() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return // there is none
	}
	for _, e := range entries {
		dir := filepath.Join(s.dir, e.Name())
		ours := e.IsDir() && folderName.MatchString(e.Name())
		if ours && !slices.ContainsFunc(s.places, func(p *place) bool { return p.spool.dir == dir }) {
			_ = os.RemoveAll(dir) // else the next start tries again
		}
	}
}

// folderName is what newPlace calls the folder of a place.
var folderName = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Close puts on the disk what has come since Run has returned, such as the end
// of the daemon: it is sent after the next start. Call it last.
func (s *Sender) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.places {
		p.keepRest()
	}
}

// start runs a place, if it is time.
func (s *Sender) start(p *place) {
	if s.running == nil || s.running.Err() != nil {
		return
	}
	ctx, end := context.WithCancel(s.running)
	p.end, p.done = end, make(chan struct{})
	s.all.Go(func() {
		defer close(p.done)
		p.run(ctx)
	})
}

func (s *Sender) newPlace(w config.Webhook) *place {
	id := sha256.Sum256([]byte(w.URL + "\n" + w.Format))
	p := &place{
		config:  w,
		product: s.product,
		failed:  s.failed,
		log:     s.log,
		queue:   make(chan event.Event, queueSize),
		spool:   &spool{dir: filepath.Join(s.dir, hex.EncodeToString(id[:8]))},
		end:     func() {},
		first:   s.first,
		look:    s.look,
		client: http.Client{
			Timeout: w.Timeout,
			// What is told goes where the configuration says, or nowhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if w.Reconcile {
		p.mirror = newMirror(s.grants, s.started)
	}
	return p
}

// Wants reports whether an event is sent to a place. What webhooks have failed
// to do is sent to none: one that refuses every message would be sent the news
// of each refusal, for ever.
func Wants(w config.Webhook, e event.Event) bool {
	if w.Reconcile || !slices.Contains(w.On, e.Kind) || e.Part == event.PartWebhook {
		return false
	}
	return e.Finding == nil || e.Finding.Severity.AtLeast(w.MinSeverity) && !e.Finding.Acknowledged
}

// given reports what a place has not been sent.
func given(w config.Webhook, what string, err error) event.Event {
	return event.Event{Time: time.Now(), Kind: event.KindFailure, Part: event.PartWebhook, Detail: fmt.Sprintf("webhook %s: %s: %v", w.Place, what, err)}
}
