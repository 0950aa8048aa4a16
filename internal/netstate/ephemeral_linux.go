package netstate

import (
	"fmt"
	"os"
)

const rangeFile = "/proc/sys/net/ipv4/ip_local_port_range"

// EphemeralRange returns the first and the last port that the kernel gives to
// outgoing connections, of IPv4 and IPv6. Replies come to these ports, so none
// of them should be a knock.
func EphemeralRange() (first, last uint16, err error) {
	text, err := os.ReadFile(rangeFile)
	if err != nil {
		return 0, 0, fmt.Errorf("read the ephemeral port range: %w", err)
	}
	if _, err := fmt.Sscan(string(text), &first, &last); err != nil || first > last {
		return 0, 0, fmt.Errorf("read the ephemeral port range: %s has %q, want two port numbers", rangeFile, text)
	}
	return first, last, nil
}
