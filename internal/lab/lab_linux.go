package lab

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// Options say what a lab has beyond gate, client and attacker.
type Options struct {
	Inside  bool           // a host behind the gate; the gate then forwards
	MTU     int            // of every link, in bytes; 0: the kernel's default of 1500
	Spoofed []netip.Prefix // prefixes that the gate routes to the attacker, as if those sources lived there
	More    []string       // names of more hosts, each with a link of its own; the gate then forwards
}

// Lab is a network of its own. Close it when done.
type Lab struct {
	Gate, Client, Attacker *Host
	Inside                 *Host   // nil unless asked for
	More                   []*Host // as asked for

	opts  Options
	links []link

	mu       sync.Mutex
	services []io.Closer
}

// New builds a lab. When it returns, all addresses answer.
func New(opts Options) (*Lab, error) {
	l := &Lab{opts: opts}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	hosts := []struct {
		name string
		host **Host
		want bool
	}{
		{"gate", &l.Gate, true},
		{"client", &l.Client, true},
		{"attacker", &l.Attacker, true},
		{"inside", &l.Inside, l.opts.Inside},
	}
	for _, h := range hosts {
		if !h.want {
			continue
		}
		host, err := newHost(l, h.name)
		if err != nil {
			return err
		}
		*h.host = host
		if err := host.quiet(); err != nil {
			return err
		}
	}
	for _, name := range l.opts.More {
		host, err := newHost(l, name)
		if err != nil {
			return err
		}
		l.More = append(l.More, host)
		if err := host.quiet(); err != nil {
			return err
		}
	}
	l.plan()
	for _, link := range l.links {
		if err := l.Connect(link.host); err != nil {
			return err
		}
	}
	if l.opts.Inside || len(l.More) > 0 {
		return l.Forward()
	}
	return nil
}

// quiet turns off what would make the lab slow to start or different from
// one machine to the next: new namespaces inherit IPv4 settings of the host.
func (h *Host) quiet() error {
	for _, s := range [][2]string{
		{"net.ipv4.ip_forward", "0"},
		{"net.ipv4.conf.all.rp_filter", "0"},
		{"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv6.conf.default.accept_dad", "0"}, // addresses are usable at once
		{"net.ipv6.conf.default.accept_ra", "0"},
		{"net.ipv6.conf.default.router_solicitations", "0"},
		{"net.ipv6.conf.default.keep_addr_on_down", "1"},
	} {
		if err := h.Sysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

// Forward makes the gate forward between its links, IPv4 and IPv6.
func (l *Lab) Forward() error {
	if err := l.Gate.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
		return err
	}
	return l.Gate.Sysctl("net.ipv6.conf.all.forwarding", "1")
}

// onClose has c closed with the lab.
func (l *Lab) onClose(c io.Closer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.services = append(l.services, c)
}

// Close ends the services and programs that still run in the lab, and the
// lab. Programs are killed; the caller that started them still has to Wait for them.
// A namespace is gone once the last socket in it is closed.
func (l *Lab) Close() error {
	l.mu.Lock()
	services := l.services
	l.services = nil
	l.mu.Unlock()

	var errs []error
	for _, s := range services {
		errs = append(errs, s.Close())
	}
	for _, h := range []**Host{&l.Gate, &l.Client, &l.Attacker, &l.Inside} {
		if *h != nil {
			(*h).close()
			*h = nil
		}
	}
	for _, h := range l.More {
		h.close()
	}
	l.More = nil
	return errors.Join(errs...)
}
