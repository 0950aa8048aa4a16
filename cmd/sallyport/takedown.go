//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/control"
)

// endPatience is how long a daemon may take to end that has opened everything.
const endPatience = 20 * time.Second

// takeDown has the daemon open everything, and waits until it has ended: a start
// that came before would start nothing.
func takeDown(ctx context.Context, conn *control.Conn, q control.DownRequest) error {
	pid, err := conn.Process(ctx)
	if err != nil {
		return err
	}
	p, err := openProcess(pid)
	if err != nil {
		return err
	}
	defer p.close()
	if err := conn.Down(ctx, q); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("the table is removed, but the daemon (process %d) has not ended: %w", pid, err)
	}
	return nil
}
