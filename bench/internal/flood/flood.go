//go:build linux

// Package flood sends junk, as much of it as one processor core can: UDP
// datagrams to one port, or a scan, from sources that do not exist. It is a process of its
// own, so that its work can be told from that of the harness and bound to a core.
//
// It sends on the link of the client, as if that were the gate's way to the
// Internet: some systems listen on one interface only, and must get the honest
// knocks and the junk on the same one.
//
// The program that uses it calls [Main] when it is run with [Command] as its
// first argument.
package flood

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"sallyport/internal/lab"
)

// Command is the first argument of the flooding process.
const Command = "flood"

// Sources is where the junk claims to come from. Labs should route it to the
// attacker ([lab.Options.Spoofed]), so that answers go somewhere.
var Sources = netip.MustParsePrefix("10.0.0.0/8")

// Junk is the kind of packet.
type Junk struct {
	Scan    bool   `json:"scan"` // TCP SYNs to random ports in place of datagrams
	Port    uint16 `json:"port"`
	Payload int    `json:"payload"` // bytes; looks like base64
	Pool    string `json:"pool"`    // a file of payloads, one after the other, to take at random instead
	Ordered bool   `json:"ordered"` // one source after the other, none twice in 16 million packets; else at random
}

// Orders say how much is sent. Max and For are bounds: the flood ends at
// the first one that is reached; at least one must be set.
type Orders struct {
	Junk
	Rate int           `json:"rate"` // packets a second; 0: as many as possible
	Max  uint64        `json:"max"`  // packets; 0: any number
	For  time.Duration `json:"for"`  // 0: any time
	Core int           `json:"core"` // the processor to run on; -1: any

	To      netip.Addr       `json:"to"`      // filled in by Start, as is
	Gateway net.HardwareAddr `json:"gateway"` // the hardware address of the gate
}

// Result is what was sent.
type Result struct {
	Sent uint64        `json:"sent"`
	Took time.Duration `json:"took"`
}

// Rate returns packets a second.
func (r Result) Rate() float64 {
	if r.Took == 0 {
		return 0
	}
	return float64(r.Sent) / r.Took.Seconds()
}

// Flood is one that is under way.
type Flood struct {
	cmd   *lab.Cmd
	stdin io.Closer
	out   io.Reader
}

// Start begins a flood at the gate of l. To and Gateway are filled in.
func Start(ctx context.Context, l *lab.Lab, o Orders) (*Flood, error) {
	o.To = l.Client.Gate4
	gateway, err := hardwareAddress(l.Gate, "to-client")
	if err != nil {
		return nil, err
	}
	o.Gateway = gateway
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	f := &Flood{cmd: l.Client.Command(ctx, "/proc/self/exe", Command, string(text))}
	f.cmd.Stderr = os.Stderr
	if f.stdin, err = f.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	if f.out, err = f.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	// The first byte says that packets are on their way.
	if _, err := io.ReadFull(f.out, make([]byte, 1)); err != nil {
		_ = f.cmd.Wait()
		return nil, fmt.Errorf("start a flood: %w", err)
	}
	return f, nil
}

// PID returns the process id of the flood.
func (f *Flood) PID() int { return f.cmd.Process.Pid }

// Stop ends the flood and reports what was sent.
func (f *Flood) Stop() (Result, error) {
	f.stdin.Close()
	return f.Wait()
}

// Wait waits until the flood reaches its bounds and reports what was sent.
func (f *Flood) Wait() (r Result, err error) {
	errRead := json.NewDecoder(f.out).Decode(&r)
	if err := f.cmd.Wait(); err != nil {
		return r, fmt.Errorf("flood: %w", err)
	}
	if errRead != nil {
		return r, fmt.Errorf("flood: read the result: %w", errRead)
	}
	return r, nil
}

func hardwareAddress(h *lab.Host, name string) (address net.HardwareAddr, err error) {
	err = h.Do(func() error {
		link, err := net.InterfaceByName(name)
		if err == nil {
			address = link.HardwareAddr
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %q: find interface %s: %w", h.Name, name, err)
	}
	return address, nil
}
