//go:build linux

package pump

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/gate"
	"sallyport/internal/packet"
	"sallyport/internal/sequence"
)

// The gate always has the sequences of the present, through many steps and when
// the clock is set.
func TestPlansFollowTheSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(&config.Config{
			Rotating: config.Rotating{Shape: sequence.DefaultShape, Within: 10 * time.Second},
			Doors:    []config.Door{{Name: "ssh", Ports: []packet.Port{{Proto: packet.TCP, Number: 22}}, OpenFor: time.Minute}},
			Clients:  []config.Client{{Name: "bob", Doors: []string{"ssh"}, Rotating: config.Secret{Current: sequence.NewSecret([20]byte{1})}}},
		}, gate.SPA{}, gate.Host{}, time.Now())
		p := New(silent{make(chan struct{}, 1)}, g, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = p.Run(ctx) })
		running.Go(func() { _ = p.KeepPlan(ctx, func() bool { return true }) })
		for range 5 {
			time.Sleep(sequence.Period + time.Second) // by the clock of the test
			synctest.Wait()
			var work func() *gate.Plan
			if err := p.do(ctx, func() { work = g.Planning(time.Now()) }); err != nil || work != nil {
				t.Errorf("%v: the plan is of another step (%v)", time.Now(), err)
			}
		}
		cancel()
		running.Wait()
	})
}

// What is asked when the daemon stops is answered to nobody, whether or not the pump
// comes by.
func TestAskedAtTheEnd(t *testing.T) {
	p := New(silent{make(chan struct{}, 1)}, gate.New(&config.Config{}, gate.SPA{}, gate.Host{}, time.Now()), nil, nil)
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan error)
	go func() { _, err := p.SetHost(ctx, gate.Host{}, View{Closed: true}); asked <- err }()
	command := <-p.commands
	stop()
	if err := <-asked; err == nil {
		t.Error("no error")
	}
	command() // blocks on nothing, and races with nobody
}
