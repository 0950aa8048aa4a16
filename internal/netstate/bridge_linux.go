package netstate

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Bridges returns those to which containers are attached, by the names that
// Docker, Podman, Kubernetes and LXC give them.
func Bridges() ([]Bridge, error) {
	links, err := Links()
	if err != nil {
		return nil, err
	}
	var list []Bridge
	for _, l := range links {
		known := slices.ContainsFunc([]string{"docker", "br-", "podman", "cni", "lxc", "lxd"}, func(s string) bool { return strings.HasPrefix(l.Name, s) })
		if !known || l.Kind != "bridge" {
			continue
		}
		if networks := networksOf(l.Name); len(networks) > 0 {
			list = append(list, Bridge{l.Name, networks})
		}
	}
	return list, nil
}

// networksOf returns the networks of an interface, none if it has gone.
func networksOf(name string) (list []netip.Prefix) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	addresses, err := link.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, p.Masked())
		}
	}
	return list
}
