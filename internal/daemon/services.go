//go:build linux

package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// service is what listens, or follows a log, because the configuration says so.
type service struct {
	subject string // under which its problems are listed
	key     string // the same in two configurations: it goes on untouched
	open    func() (serving, error)
}

// serving is a service that is open: nothing can fail any more before it runs.
type serving struct {
	run   func(context.Context) error // until the context ends; closes what was opened
	close func() error                // instead of run
	end   context.CancelFunc          // nil: it does not run yet
}

// services run what the configuration in force asks for. That one of them
// cannot keeps no door from opening, or from closing.
type services struct {
	fail  func(subject, text string)
	clear func(subject string)

	mu      sync.Mutex
	running context.Context // of Run; nil before
	all     sync.WaitGroup
	on      map[string]*serving // by key
}

func newServices(fail func(subject, text string), clear func(string)) *services {
	return &services{fail: fail, clear: clear, on: make(map[string]*serving)}
}

// prepare opens what is new. In a reload something that was not asked for
// before, and cannot be had, refuses the whole; at a start, or where it could
// not be had before, it is a problem, and all else goes on.
func (s *services) prepare(c *change, list func(c *change) []service) (step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var before []service
	if c.strict {
		before = list(&change{to: c.from})
	}
	fresh, wanted := make(map[string]*serving), make(map[string]bool)
	abort := func() {
		for _, o := range fresh {
			_ = o.close() // nobody has used it
		}
	}
	for _, w := range list(c) {
		wanted[w.key] = true
		if s.on[w.key] != nil {
			continue
		}
		o, err := w.open()
		known := slices.ContainsFunc(before, func(b service) bool { return b.key == w.key })
		switch {
		case err != nil && c.strict && !known:
			abort()
			return step{}, err
		case err != nil:
			s.fail(w.subject, err.Error())
		default:
			fresh[w.key] = &o
			s.clear(w.subject)
		}
	}
	return step{commit: func() { s.replace(fresh, wanted) }, abort: abort}, nil
}

// replace ends what is not wanted any more, and starts what is new.
func (s *services) replace(fresh map[string]*serving, wanted map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.on {
		if !wanted[key] {
			o.stop()
			delete(s.on, key)
		}
	}
	maps.Copy(s.on, fresh)
	if s.running == nil {
		return
	}
	for key, o := range fresh {
		s.start(key, o)
	}
}

// stop ends a service without waiting for it.
func (o *serving) stop() {
	if o.end != nil {
		o.end()
		return
	}
	_ = o.close() // nobody has used it
}

func (s *services) start(key string, o *serving) {
	if s.running.Err() != nil {
		o.stop()
		return
	}
	ctx, end := context.WithCancel(s.running)
	o.end = end
	s.all.Go(func() {
		defer end()
		if err := o.run(ctx); err != nil && ctx.Err() == nil {
			s.fail(key, fmt.Sprintf("%s: %v", key, err))
		}
	})
}

// Run runs services until the context ends.
func (s *services) Run(ctx context.Context) error {
	s.mu.Lock()
	s.running = ctx
	for key, o := range s.on {
		s.start(key, o)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.all.Wait()
	return nil
}

// Close releases what has never run.
func (s *services) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.on {
		if o.end == nil {
			o.stop()
		}
		delete(s.on, key)
	}
	return nil
}
