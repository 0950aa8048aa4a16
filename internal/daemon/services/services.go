//go:build linux

// Package services runs what listens, or follows a log, because the configuration in
// force asks for it. What two configurations ask for alike goes on untouched. That
// one of them cannot keeps no door from opening, or from closing.
package services

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"sallyport/internal/daemon/problems"
)

// Service is one thing that a configuration asks for.
type Service struct {
	Subject string // under which its problems are listed
	Key     string // the same in two configurations: it goes on untouched
	Open    func() (Opened, error)
}

// Opened is a service that is open: nothing can fail any more before it runs.
type Opened struct {
	Run   func(context.Context) error // until the context ends; closes what was opened
	Close func() error                // instead of Run
}

// serving is a service that is in force.
type serving struct {
	Opened
	end context.CancelFunc // nil: it does not run yet
}

// Set is the services of one kind that are in force.
type Set struct {
	problems *problems.List

	mu      sync.Mutex
	running context.Context // of Run; nil before
	all     sync.WaitGroup
	on      map[string]*serving // by key
}

// New returns a set without services.
func New(list *problems.List) *Set {
	return &Set{problems: list, on: make(map[string]*serving)}
}

// Prepare opens what is new in a list, and returns what brings it into force and
// what closes it again. Where strict, what the list before did not ask for, and
// cannot be had, refuses the whole; else it is a problem, and all else goes on.
func (s *Set) Prepare(strict bool, before, list []Service) (commit, abort func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, wanted := make(map[string]*serving), make(map[string]bool)
	abort = func() {
		for _, o := range fresh {
			_ = o.Close() // nobody has used it
		}
	}
	for _, w := range list {
		wanted[w.Key] = true
		if s.on[w.Key] != nil {
			continue
		}
		o, err := w.Open()
		known := slices.ContainsFunc(before, func(b Service) bool { return b.Key == w.Key })
		switch {
		case err != nil && strict && !known:
			abort()
			return nil, nil, err
		case err != nil:
			s.problems.Fail(w.Subject, err.Error())
		default:
			fresh[w.Key] = &serving{Opened: o}
			s.problems.Clear(w.Subject)
		}
	}
	return func() { s.replace(fresh, wanted) }, abort, nil
}

// replace ends what is not wanted any more, and starts what is new.
func (s *Set) replace(fresh map[string]*serving, wanted map[string]bool) {
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
	_ = o.Close() // nobody has used it
}

func (s *Set) start(key string, o *serving) {
	if s.running.Err() != nil {
		o.stop()
		return
	}
	ctx, end := context.WithCancel(s.running)
	o.end = end
	s.all.Go(func() {
		defer end()
		if err := o.Run(ctx); err != nil && ctx.Err() == nil {
			s.problems.Fail(key, fmt.Sprintf("%s: %v", key, err))
		}
	})
}

// Run runs services until the context ends.
func (s *Set) Run(ctx context.Context) error {
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
func (s *Set) Close() error {
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
