package packet

import (
	"fmt"
	"strconv"
	"strings"
)

// Proto is an IP protocol number (IANA "Protocol Numbers").
type Proto uint8

// The protocols that have doors and knocks.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// String returns "tcp", "udp", or the protocol number.
func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return strconv.Itoa(int(p))
}

// Port is a port of one protocol, written "tcp/22".
type Port struct {
	Proto  Proto
	Number uint16
}

// String returns the form that ParsePort reads.
func (p Port) String() string {
	return p.Proto.String() + "/" + strconv.Itoa(int(p.Number))
}

// MarshalText writes the form that ParsePort reads.
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (p *Port) UnmarshalText(text []byte) error {
	port, err := ParsePort(string(text))
	if err == nil {
		*p = port
	}
	return err
}

// ParsePort reads "tcp/22" or "udp/8000". It accepts only what String would
// write: lower case, decimal, 1 to 65535, no leading zero.
func ParsePort(s string) (Port, error) {
	name, number, ok := strings.Cut(s, "/")
	if !ok {
		return Port{}, fmt.Errorf("%q is not a port: want tcp/NUMBER or udp/NUMBER", s)
	}
	port := Port{}
	switch name {
	case "tcp":
		port.Proto = TCP
	case "udp":
		port.Proto = UDP
	default:
		return Port{}, fmt.Errorf("unknown protocol %q in %q: want tcp or udp", name, s)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || number[0] == '0' {
		return Port{}, fmt.Errorf("port number %q in %q is out of range: want 1 to 65535", number, s)
	}
	port.Number = uint16(n)
	return port, nil
}

// MustPorts reads ports, separated by spaces or one by one, and panics where
// there is none: it is for tests and for what the program itself has written.
func MustPorts(words ...string) (list []Port) {
	for _, word := range strings.Fields(strings.Join(words, " ")) {
		p, err := ParsePort(word)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}
