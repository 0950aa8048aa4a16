//go:build linux

package measure_test

import (
	"context"
	"net/netip"

	"sallyport/bench/internal/probe"
	"sallyport/bench/peers"
)

// ajar is a system that closes nothing.
type ajar struct{}

func (ajar) Name() string       { return "ajar" }
func (ajar) Programs() []string { return nil }
func (ajar) Start(context.Context, peers.Site) (*peers.Server, error) {
	knock := func(context.Context, netip.Addr) (probe.Knock, error) {
		return probe.Knock{{Port: 7000}}, nil
	}
	return &peers.Server{Knock: knock}, nil
}
