package convert

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// readFirewalld reads the arguments of firewall-cmd: --add-rich-rule,
// --add-port, --add-service, --add-source, what removes them, and --timeout.
func readFirewalld(args []string) (rule, bool) {
	r := rule{everybody: true}
	understood := false
	for i := 0; i < len(args); i++ {
		name, value, together := strings.Cut(args[i], "=")
		if !together && i+1 < len(args) {
			value = args[i+1]
		}
		if name == "--timeout" {
			r.lasts = duration(value)
			continue
		}
		verb, what, ok := strings.Cut(strings.TrimPrefix(name, "--"), "-")
		if !ok || verb != "add" && verb != "remove" {
			continue
		}
		switch what {
		case "rich-rule":
			understood = r.richRule(value, verb == "add")
			continue
		case "port":
			number, protocol, _ := strings.Cut(value, "/")
			r.addPorts(number, protocol)
		case "service":
			r.addService(value)
		case "source":
			r.everybody = !isSource(value)
		default:
			continue
		}
		r.opens, understood = verb == "add", true
	}
	return r, understood
}

func (r *rule) addService(name string) {
	if p, ok := service(name); ok {
		r.ports = append(r.ports, p)
		return
	}
	r.trouble = "the service " + strconv.Quote(shown(name)) + " is not known here: name its ports"
}

// richRule reads one of firewalld's rules: rule family="ipv4" source
// address="%IP%" port port="22" protocol="tcp" accept.
func (r *rule) richRule(text string, adds bool) bool {
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(text))
	element, port, protocol, verdict := "", "", "", ""
	for _, w := range words {
		name, value, isPair := strings.Cut(w, "=")
		switch {
		case !isPair && slices.Contains([]string{"accept", "drop", "reject"}, w):
			verdict = w
		case !isPair && strings.EqualFold(w, "not"):
			return false
		case !isPair:
			element = w
		case element == "source" && name == "address":
			r.everybody = !isSource(value)
		case element == "port" && name == "port":
			port = value
		case element == "port" && name == "protocol":
			protocol = value
		case element == "service" && name == "name":
			r.addService(value)
		}
	}
	if port != "" {
		r.addPorts(port, protocol)
	}
	r.opens = adds == (verdict == "accept")
	return verdict != ""
}

// duration reads a time as firewalls write it: seconds, or 30s, 5m, 1h, 1d.
func duration(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		return min(seconds(days), 3650*time.Second) * 86400
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	return seconds(text)
}
