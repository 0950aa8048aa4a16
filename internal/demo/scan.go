//go:build linux

package demo

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sallyport/internal/lab"
	"sallyport/internal/packet"
)

// Knock ports lie above the well-known ports and below the ephemeral range.
const (
	lowest, highest = 2000, 32000
	knocks          = 5
)

// randomSequence makes a sequence nobody has seen before.
func randomSequence() ([]packet.Port, error) {
	var list []packet.Port
	for len(list) < knocks {
		var b [3]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, err
		}
		p := packet.Port{Proto: packet.TCP, Number: lowest + binary.BigEndian.Uint16(b[1:])%(highest-lowest)}
		if b[0]&1 == 1 {
			p.Proto = packet.UDP
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list[1:], func(a, b packet.Port) int { return int(b.Number) - int(a.Number) }) // never in the order of a scan
	return list, nil
}

func words(sequence []packet.Port) string {
	var list []string
	for _, p := range sequence {
		list = append(list, p.String())
	}
	return strings.Join(list, "  ")
}

func trimmed(line string) string { return strings.TrimSpace(line) }

// scanOrder is what a thorough scanner tries: the well-known ports, and every
// port within reach of the knocks, upwards.
func scanOrder(sequence []packet.Port) []uint16 {
	const around = 100
	var list []uint16
	for n := uint16(1); n <= 1024; n++ {
		list = append(list, n)
	}
	for _, p := range sequence {
		for n := p.Number - around; n <= p.Number+around; n++ {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// scan tries to connect to each port in order, and sends a datagram to each, and
// returns the TCP ports that answered.
func scan(ctx context.Context, from *lab.Host, ports []uint16) ([]uint16, error) {
	const atOnce = 64
	var (
		mu   sync.Mutex
		open []uint16
		wg   sync.WaitGroup
	)
	slots := make(chan struct{}, atOnce)
	err := from.Do(func() error {
		udp, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return err
		}
		defer udp.Close()
		for _, n := range ports {
			to := netip.AddrPortFrom(from.Gate4, n)
			if _, err := udp.WriteToUDPAddrPort([]byte{0}, to); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				return err
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if answer, err := from.Probe("tcp", to, 200*time.Millisecond); err == nil && answer == lab.Open {
					mu.Lock()
					open = append(open, n)
					mu.Unlock()
				}
			})
			if ctx.Err() != nil {
				break
			}
		}
		return nil
	})
	wg.Wait()
	return open, err
}
