package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signalled is the cause of a context that ended because of a signal.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string {
	if s.Signal == syscall.SIGINT {
		return "interrupted"
	}
	return "asked to end"
}

// Is makes it what errors of contexts are.
func (signalled) Is(target error) bool { return target == context.Canceled }

// lentKey is the key of what says whether the terminal is lent.
type lentKey struct{}

// untilSignal returns a context that ends at the first interrupt or SIGTERM.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	lent := new(atomic.Bool)
	ctx, end := context.WithCancelCause(context.WithValue(parent, lentKey{}, lent))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range signals {
			if s, ok := s.(syscall.Signal); ok && (s != syscall.SIGINT || !lent.Load()) {
				end(signalled{s})
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		end(nil)
	}
}

// lend leaves interrupts to a program that has the terminal, which sends them to both: in
// an editor Ctrl-C is one key among others. back ends that.
func lend(ctx context.Context) (back func()) {
	lent, ok := ctx.Value(lentKey{}).(*atomic.Bool)
	if !ok {
		return func() {}
	}
	lent.Store(true)
	return func() { lent.Store(false) }
}

// exitSignalled is added to the number of the signal, as shells do.
const exitSignalled = 128

// statusOfFailure is the exit status of a command that failed: because it was
// interrupted, or for a reason of its own.
func statusOfFailure(ctx context.Context) int {
	if s := (signalled{}); errors.As(context.Cause(ctx), &s) {
		return exitSignalled + int(s.Signal)
	}
	return exitFailed
}
