package convert

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/packet"
)

// rule is what a command does to a firewall.
type rule struct {
	opens     bool          // lets the source in; else it is shut out again
	ports     []packet.Port // empty: none is named
	everybody bool          // the source is not named
	forward   bool          // about hosts behind this one
	chain     string        // where it stands, if that is behind the translation of addresses
	nat       bool          // it translates addresses
	to        netip.Prefix  // which ones; zero: not said
	lasts     time.Duration // the firewall's own limit; 0: none
	trouble   string        // what of it is not understood
}

// readers know the programs that change firewalls. They report false for a
// command that changes no access.
var readers = map[string]func(args []string) (rule, bool){
	"iptables": readIptables, "iptables-legacy": readIptables, "iptables-nft": readIptables,
	"ip6tables": readIptables, "ip6tables-legacy": readIptables, "ip6tables-nft": readIptables,
	"nft": readNft, "ufw": readUfw, "firewall-cmd": readFirewalld, "ipset": readIpset, "knock_add": readKnockAdd, "knock_helper_ipt.sh": readKnockAdd,
}

// readCommands returns what a line does to the firewall, and the commands in
// it that are about something else. "open; sleep 30; close" opens for 30s.
func readCommands(line string) (rules []rule, others []command) {
	for _, c := range split(line) {
		program := c
		for len(program) > 1 && slices.Contains([]string{"sudo", "exec", "command"}, path.Base(program[0])) {
			program = program[1:]
		}
		name := path.Base(program[0])
		if len(program) > 2 && (name == "sh" || name == "bash") && program[1] == "-c" {
			inner, more := readCommands(program[2])
			rules, others = append(rules, inner...), append(others, more...)
			continue
		}
		if last := len(rules) - 1; name == "sleep" && len(program) == 2 && last >= 0 && rules[last].opens {
			rules[last].lasts = duration(program[1])
			continue
		}
		if read, known := readers[name]; known {
			if r, ok := read(program[1:]); ok {
				rules = append(rules, r)
				continue
			}
		}
		others = append(others, c)
	}
	return rules, others
}

// isSource reports whether a word stands for the source that has knocked:
// knockd's %IP%, fwknop's $IP, $SRC and $PKT_SRC, with or without a prefix
// length.
func isSource(word string) bool {
	word, _, _ = strings.Cut(word, "/")
	return slices.Contains([]string{"%IP%", "$IP", "$SRC", "$PKT_SRC", "${IP}", "${SRC}"}, word)
}

// behind reports whether what comes to a chain has been translated: its ports
// are those of containers, or of hosts behind this one.
func behind(chain string) bool {
	chain = strings.ToLower(chain)
	return slices.ContainsFunc([]string{"forward", "docker", "kube-", "cni-", "netavark"}, func(s string) bool { return strings.Contains(chain, s) })
}

// addPorts adds what a word says about ports.
func (r *rule) addPorts(word, protocol string) {
	protocols, err := readProtocols(protocol)
	var list []packet.Port
	if err == nil {
		list, err = readPorts(word, protocols...)
	}
	if err != nil {
		r.trouble = err.Error()
		return
	}
	r.ports = append(r.ports, list...)
}

// readPrefix reads an address or a prefix as firewalls write it, also with the
// mask of its network: 203.0.113.0/255.255.255.0.
func readPrefix(text string) (netip.Prefix, error) {
	if network, mask, ok := strings.Cut(text, "/"); ok {
		if length, ok := maskBits(mask); ok && !strings.Contains(network, ":") {
			text = network + "/" + strconv.Itoa(length)
		}
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is not an address", shown(text))
	}
	return prefix.Masked(), nil
}

// maskBits returns the length of a prefix that a netmask stands for.
func maskBits(mask string) (int, bool) {
	addr, err := netip.ParseAddr(mask)
	if err != nil || !addr.Is4() {
		return 0, false
	}
	m := addr.As4()
	word := binary.BigEndian.Uint32(m[:])
	ones := bits.LeadingZeros32(^word)
	return ones, word<<ones == 0
}
