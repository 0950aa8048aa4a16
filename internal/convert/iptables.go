package convert

import (
	"strconv"
	"strings"
	"time"
)

// readIptables reads the arguments of iptables and ip6tables.
func readIptables(args []string) (rule, bool) {
	o := iptablesOptions(args)
	r := rule{everybody: !isSource(o.source)}
	if behind(o.chain) {
		r.forward, r.chain = true, o.chain
	}
	if o.original != "" { // the port that the outside sees
		o.ports, r.forward, r.chain = o.original, false, ""
	}
	if o.ports != "" {
		protocol := o.protocol
		if protocol == "" {
			protocol = "tcp" // the kernel asks for one; people leave it out in examples
		}
		r.addPorts(o.ports, protocol)
	}
	if to, err := readPrefix(o.destination); err == nil && r.forward {
		r.to = to
	}
	switch {
	case o.table == "nat" && !o.negated && (o.target == "DNAT" || o.target == "REDIRECT"):
		r.nat, r.opens = true, o.adds
	case o.table != "" && o.table != "filter", o.negated, o.chain == "":
		return r, false
	case o.target == "ACCEPT":
		r.opens = o.adds
	case o.target == "DROP" || o.target == "REJECT":
		r.opens = !o.adds
	default:
		return r, false
	}
	return r, true
}

type iptables struct {
	adds                                                       bool
	negated                                                    bool
	table, chain, source, destination, protocol, ports, target string
	original                                                   string // the port before translation
}

func iptablesOptions(args []string) (o iptables) {
	for i := 0; i < len(args); i++ {
		name, value, together := strings.Cut(args[i], "=")
		if !together || !strings.HasPrefix(name, "--") {
			name, value = args[i], ""
			if i+1 < len(args) {
				value = args[i+1]
			}
		}
		used := true
		switch name {
		case "-A", "--append", "-I", "--insert":
			o.adds, o.chain = true, value
		case "-D", "--delete":
			o.adds, o.chain = false, value
		case "-t", "--table":
			o.table = value
		case "-s", "--source", "--src":
			o.source = value
		case "-d", "--destination", "--dst":
			o.destination = value
		case "-p", "--protocol", "--proto":
			o.protocol = value
		case "--dport", "--destination-port", "--dports", "--destination-ports":
			o.ports = value
		case "--ctorigdstport":
			o.original = value
		case "-j", "--jump":
			o.target = value
		case "--comment", "-m", "--match", "-i", "--in-interface", "--state", "--ctstate", "--ctorigdst", "--ctproto", "--to-destination", "--to-ports", "--to-port":
		case "!":
			o.negated, used = true, false
		default:
			used = false
		}
		o.negated = o.negated || used && value == "!"
		if used && !together {
			i++
		}
	}
	return o
}

// readIpset reads "add SET %IP% [timeout SECONDS]" and "del SET %IP%".
func readIpset(args []string) (rule, bool) {
	var words []string
	r := rule{}
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "timeout" && i+1 < len(args):
			i++
			r.lasts = seconds(args[i])
		case !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		}
	}
	if len(words) < 3 {
		return r, false
	}
	entry, ports, _ := strings.Cut(words[2], ",") // of a hash:ip,port
	if !isSource(entry) {
		return r, false
	}
	if ports != "" {
		protocol, number, ok := strings.Cut(ports, ":")
		if !ok {
			protocol, number = "tcp", ports
		}
		r.addPorts(number, protocol)
	}
	r.opens = words[0] == "add"
	return r, r.opens || words[0] == "del"
}

// readKnockAdd reads the arguments of the script that knockd comes with.
func readKnockAdd(args []string) (rule, bool) {
	r := rule{opens: true, everybody: true}
	protocol, ports := "tcp", ""
	for i, word := range args {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch word {
		case "-p", "--proto":
			protocol = value
		case "-d", "--dstport":
			ports = value
		case "-f", "--srcaddr":
			r.everybody = !isSource(value)
		case "-c", "--chain":
			r.forward = value == "FORWARD"
		case "-x", "--delete":
			r.opens = false
		}
	}
	if ports != "" {
		r.addPorts(ports, protocol)
	}
	return r, true
}

// seconds reads a number of seconds as a C program does: digits, and whatever
// follows is ignored. No digits are 0.
func seconds(text string) time.Duration {
	end := strings.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseUint(text[:end], 10, 31)
	if err != nil && end > 0 {
		n = 1<<31 - 1
	}
	return time.Duration(n) * time.Second
}
