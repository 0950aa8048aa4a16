package convert

import (
	"slices"
	"strings"
)

// readUfw reads the arguments of ufw: "allow from %IP% to any port 22 proto
// tcp", "delete allow …", "insert 1 …", "allow 22/tcp", "allow OpenSSH".
func readUfw(args []string) (rule, bool) {
	args = slices.DeleteFunc(slices.Clone(args), func(w string) bool { return strings.HasPrefix(w, "-") })
	r := rule{everybody: true}
	adds := true
	for len(args) > 0 {
		switch args[0] {
		case "route":
			r.forward, r.chain = true, "ufw route"
		case "delete":
			adds = false
		case "insert":
			if len(args) > 1 {
				args = args[1:]
			}
		case "rule", "prepend":
		case "allow", "limit":
			r.opens = adds
			return r, r.ufwWhat(args[1:])
		case "deny", "reject":
			r.opens = !adds
			return r, r.ufwWhat(args[1:])
		default:
			return r, false
		}
		args = args[1:]
	}
	return r, false
}

// ufwWhat reads what is allowed. It reports whether that is understood.
func (r *rule) ufwWhat(words []string) bool {
	protocol, ports, side, app := "", "", "", ""
	for i := 0; i < len(words); i++ {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch words[i] {
		case "in", "log", "log-all", "out":
			if words[i] == "out" {
				return false
			}
			continue
		case "on", "comment":
		case "proto":
			protocol = next
		case "from":
			side, r.everybody = "from", !isSource(next)
		case "to":
			side = "to"
		case "port":
			if side != "from" { // else it is the port of the source
				ports = next
			}
		case "app":
			app = next
		default:
			ports, protocol, _ = strings.Cut(words[i], "/")
			continue
		}
		i++
	}
	if p, ok := service(app); ok {
		r.ports = append(r.ports, p)
	} else if app != "" {
		ports = app
	}
	if ports != "" {
		r.addPorts(ports, protocol)
	}
	return true
}
