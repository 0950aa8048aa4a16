package convert

import (
	"fmt"
	"strconv"
	"strings"

	"sallyport/internal/config"
	"sallyport/internal/packet"
)

// services are names that firewalls take in place of a port, and that people
// give to sections: the ones behind which someone puts a gate (IANA "Service
// Name and Transport Protocol Port Number Registry").
var services = []struct {
	name string
	port packet.Port
}{ // a name that is part of another one stands behind it
	{"openssh", tcp(22)}, {"ssh", tcp(22)}, {"ftp", tcp(21)}, {"telnet", tcp(23)},
	{"submission", tcp(587)}, {"smtps", tcp(465)}, {"smtp", tcp(25)},
	{"https", tcp(443)}, {"http", tcp(80)}, {"webmin", tcp(10000)},
	{"imaps", tcp(993)}, {"imap", tcp(143)}, {"pop3s", tcp(995)}, {"pop3", tcp(110)},
	{"ldaps", tcp(636)}, {"ldap", tcp(389)}, {"mysql", tcp(3306)}, {"postgresql", tcp(5432)}, {"postgres", tcp(5432)},
	{"redis", tcp(6379)}, {"mongodb", tcp(27017)}, {"rdp", tcp(3389)}, {"vnc", tcp(5900)}, {"rsync", tcp(873)},
	{"openvpn", udp(1194)}, {"wireguard", udp(51820)}, {"domain", udp(53)}, {"dns", udp(53)}, {"snmp", udp(161)},
}

func tcp(n uint16) packet.Port { return packet.Port{Proto: packet.TCP, Number: n} }
func udp(n uint16) packet.Port { return packet.Port{Proto: packet.UDP, Number: n} }

// service returns the port of a service by its name.
func service(name string) (packet.Port, bool) {
	for _, s := range services {
		if s.name == strings.ToLower(name) {
			return s.port, true
		}
	}
	return packet.Port{}, false
}

// suggested returns the port of a service whose name is part of a text.
func suggested(text string) (packet.Port, bool) {
	for _, s := range services {
		if strings.Contains(strings.ToLower(text), s.name) {
			return s.port, true
		}
	}
	return packet.Port{}, false
}

// serviceName names a port, as the name of a door.
func serviceName(p packet.Port) string {
	for _, s := range services {
		if s.port == p && s.name != "openssh" {
			return s.name
		}
	}
	return p.Proto.String() + "-" + strconv.Itoa(int(p.Number))
}

// maxPorts bounds the ports of one rule: more is a range that is no door.
const maxPorts = config.MaxPorts

// readPorts reads what firewalls write for ports: "22", "ssh", "8000:8010",
// "8000-8010", and several of them with commas between.
func readPorts(text string, protocols ...packet.Proto) ([]packet.Port, error) {
	var list []packet.Port
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if p, ok := service(part); ok {
			list = append(list, portsOf(p.Number, protocols)...)
			continue
		}
		low, high, isRange := strings.Cut(strings.ReplaceAll(part, ":", "-"), "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || first == 0 || first > last {
			return nil, fmt.Errorf("the port %q is not understood", shown(part))
		}
		if len(list)+int(last-first+1)*len(protocols) > maxPorts {
			return nil, fmt.Errorf("%q are more than %d ports", shown(text), maxPorts)
		}
		for n := first; n <= last; n++ {
			list = append(list, portsOf(uint16(n), protocols)...)
		}
	}
	return list, nil
}

func portsOf(n uint16, protocols []packet.Proto) (list []packet.Port) {
	for _, p := range protocols {
		list = append(list, packet.Port{Proto: p, Number: n})
	}
	return list
}

// readProtocols reads a protocol as firewalls write it; none and "all" are TCP
// and UDP.
func readProtocols(text string) ([]packet.Proto, error) {
	switch strings.ToLower(text) {
	case "tcp", "6":
		return []packet.Proto{packet.TCP}, nil
	case "udp", "17":
		return []packet.Proto{packet.UDP}, nil
	case "", "all", "any", "0":
		return []packet.Proto{packet.TCP, packet.UDP}, nil
	}
	return nil, fmt.Errorf("a door has TCP and UDP ports, not %q", shown(text))
}
