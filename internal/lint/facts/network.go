//go:build linux

package facts

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/inspect"
	"sallyport/internal/lint"
	"sallyport/internal/netstate"
	"sallyport/internal/packet"
)

// addServices finds out what listens.
func addServices(found *lint.Facts) error {
	services, err := netstate.Services()
	if err != nil {
		return err
	}
	found.Services = make([]lint.Service, len(services))
	for i, s := range services {
		found.Services[i] = lint.Service(s)
		if s.Process == "portsentry" && len(found.Guards) == 0 {
			found.Guards = append(found.Guards, lint.Guard{Name: s.Process, Where: "it listens on " + s.Port.String() + ", among others"})
		}
	}
	return nil
}

// addRules finds out what other tables translate, and what they do with the
// ports of doors. Without root it is one error, not four.
func addRules(found *lint.Facts, ports []packet.Port) error {
	published, err := inspect.Published()
	if err != nil {
		return err
	}
	for _, f := range published {
		found.Published = append(found.Published, lint.Forwarded(f))
	}
	shut, err := inspect.ShutPorts(ports)
	for _, s := range shut {
		found.Shut = append(found.Shut, lint.Shut(s))
	}
	untracked, more := inspect.Untracked(ports)
	for _, s := range untracked {
		found.Untracked = append(found.Untracked, lint.Shut(s))
	}
	guards, yetMore := inspect.Guards()
	for _, g := range guards {
		found.Guards = append(found.Guards, lint.Guard(g))
	}
	return errors.Join(err, more, yetMore)
}

// addNetwork finds out which addresses, interfaces and routes there are.
func addNetwork(found *lint.Facts, cfg *config.Config) error {
	own, err := netstate.Addresses()
	if err == nil {
		found.Own = own.All()
	}
	links, more := netstate.Links()
	for _, l := range links {
		found.Links = append(found.Links, l.Name)
		if l.Of != "" {
			found.Parts = append(found.Parts, lint.Part{Name: l.Name, Of: l.Of})
		}
		if l.Kind == "vrf" {
			found.VRFs = append(found.VRFs, l.Name)
		}
	}
	bridges, yetMore := netstate.Bridges()
	for _, b := range bridges {
		found.Bridges = append(found.Bridges, lint.Bridge(b))
	}
	err = errors.Join(err, more, yetMore)
	for _, d := range cfg.Doors {
		for _, p := range d.To {
			// The first and the last address: of a large prefix a part may have a route.
			if first, failed := netstate.Routed(p.Addr()); failed != nil || first {
				err = errors.Join(err, failed)
			} else if last, failed := netstate.Routed(lastOf(p)); failed == nil && !last {
				found.Unrouted = append(found.Unrouted, p)
			}
		}
	}
	return err
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// addNeeds finds out whether what the configuration names is there.
func addNeeds(found *lint.Facts, cfg *config.Config) {
	paths, programs := lint.Needed(cfg)
	for _, path := range paths {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			found.Missing = append(found.Missing, path)
		}
	}
	for _, path := range programs {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
			found.NotRunnable = append(found.NotRunnable, path)
		}
	}
	if running(cfg) {
		return // it is the daemon that listens; its status says where it cannot
	}
	for _, at := range []string{cfg.API.Listen.String(), cfg.Metrics.Listen} {
		if _, err := netip.ParseAddrPort(at); err == nil && taken(at) {
			found.Busy = append(found.Busy, at)
		}
	}
}

// running reports whether a daemon is there.
func running(cfg *config.Config) bool {
	conn, err := net.DialTimeout("unix", cfg.Daemon.Socket, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// taken reports whether another program listens at an address.
func taken(at string) bool {
	l, err := net.Listen("tcp", at)
	if err == nil {
		l.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}
