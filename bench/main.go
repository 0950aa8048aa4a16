//go:build linux

// Bench compares Sallyport, side by side on one machine, with what others use
// for the same purpose: how soon a door opens, how many honest knocks get
// through while junk arrives as fast as the machine can make it, what the junk
// costs, and how all this grows.
//
//	go run ./bench [-only latency,goodput,flood,growth,soak] [-rounds 60] [-json FILE]
//
// It builds networks of its own out of namespaces, as root or without, and
// touches nothing outside. Systems that are not installed are left out with a
// remark; with "peers" in SALLYPORT_REQUIRE that is an error. On Debian:
//
//	apt install knockd fwknop-server fwknop-client iptables nftables
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"sallyport/bench/internal/flood"
	"sallyport/bench/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := dispatch(ctx, os.Args)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// dispatch runs the benchmarks, or one of the helpers that they start.
func dispatch(ctx context.Context, args []string) (int, error) {
	switch {
	case len(args) == 2 && args[1] == peers.BareCommand:
		return 0, peers.RunBare()
	case len(args) == 3 && args[1] == flood.Command:
		return 0, flood.Main(args[2], os.Stdin, os.Stdout)
	}
	return run(ctx, args)
}
