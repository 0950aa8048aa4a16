//go:build linux

package drill

import (
	"context"
	"errors"
	"time"
)

const (
	// maxPace and maxSent are what a drill from elsewhere may send: nothing that a small
	// host or its line would notice.
	maxPace = 200 // packets a second
	maxSent = 20_000

	// A connection that is given up at once can cost two packets: the SYN, and the
	// kernel's reset for an answer that nobody waits for. One that is made costs four.
	costSYN, costConnection, costDatagram = 2, 4, 1
)

var errSpent = errors.New("all packets that a drill may send have been sent")

// pace spreads packets evenly: there are no bursts, whatever was sent or left out before.
type pace struct {
	next time.Time
	sent int
}

// take waits until so many packets may be sent, and counts them.
func (p *pace) take(ctx context.Context, n int) error {
	if p.sent+n > maxSent {
		return errSpent
	}
	if d := time.Until(p.next); d > 0 {
		if err := wait(ctx, d); err != nil {
			return err
		}
	}
	p.sent += n
	p.next = time.Now().Add(time.Duration(n) * time.Second / maxPace)
	return ctx.Err()
}
