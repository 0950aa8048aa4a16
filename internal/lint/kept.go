package lint

import (
	"fmt"

	"sallyport/internal/config"
	"sallyport/internal/key"
)

var keptRules = []Rule{
	{
		Name: "kept", Group: Host, Severity: Error,
		Summary: "what the daemon keeps cannot be used",
		Why: "Without its server key or its folder the daemon does not start. Files of another user, as a daemon that was started as root left them " +
			"before it became the user of its unit, cannot be read by it: no message, no rotating and no one-time sequence is accepted then.",
		Remedy: "chown -R sallyport: /var/lib/sallyport",
		Bad:    Example{Config: spaPort + sshDoor + alice, Host: &Facts{Unusable: []Unusable{{"/var/lib/sallyport/journal.db", "it belongs to root", ""}}}},
		Good:   Example{Config: spaPort + sshDoor + alice, Host: &Facts{}},
		check:  checkKept,
	},
	{
		Name: "no-key-of-suite", Group: Host, Severity: Warning,
		Summary: "a client may use no suite of which there is a server key",
		Why:     "No message of it can be opened, however right its key is. With a rotating secret it gets in by that alone.",
		Remedy:  "make a key of that suite (sallyport server-key rotate --suite x25519; the other key stays), or let the client use all suites",
		Bad:     Example{Config: spaPort + sshDoor + alice + "suites = [\"x25519\"]\n", Host: &Facts{Suites: []key.Suite{key.Hybrid}}},
		Good:    Example{Config: spaPort + sshDoor + alice + "suites = [\"x25519\"]\n", Host: &Facts{Suites: []key.Suite{key.Hybrid, key.X25519}}},
		check:   checkSuites,
	},
}

func checkSuites(in input, tell report) {
	if in.host == nil || in.host.Suites == nil || in.SPA.Port == 0 {
		return
	}
	for i := range in.Clients {
		if c := &in.Clients[i]; c.Mute(in.host.Suites) {
			tell(c.Place, fmt.Sprintf("client %q may use none of the suites of which this server has a key, so its messages open nothing", c.Name),
				remedy(fmt.Sprintf("make such a key (sallyport server-key rotate --suite %s), or let the client use all suites (sallyport config set client.%s.suites '')", c.Suites[0], c.Name)))
		}
	}
}

func checkKept(in input, tell report) {
	if in.host == nil {
		return
	}
	for _, u := range in.host.Unusable {
		var options []option
		if u.Remedy != "" {
			options = append(options, remedy(u.Remedy))
		}
		tell(config.Place{File: u.Path}, u.Text, options...)
	}
}
