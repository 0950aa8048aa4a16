//go:build linux

package peers

// closedHost is the firewall of a host whose doors another program opens with
// iptables: what is not known or allowed is dropped.
func closedHost(allowed ...string) []string {
	commands := []string{
		"iptables -P INPUT DROP",
		"iptables -A INPUT -i lo -j ACCEPT",
		"iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
	}
	for _, match := range allowed {
		commands = append(commands, "iptables -A INPUT "+match+" -j ACCEPT")
	}
	return commands
}
