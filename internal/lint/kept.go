package lint

import "sallyport/internal/config"

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
