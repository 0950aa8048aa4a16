package lint

import (
	"fmt"
	"time"
)

var careRules = []Rule{
	{
		Name: "rotation-overdue", Group: Care, Severity: Warning,
		Summary: "a secret is older than rotation_due",
		Why:     "The longer a sequence or a secret is in use, the more have seen it. One whose age nobody knows counts as old.",
		Remedy:  "change it; old and new work together for a while",
		Bad:     Example{Config: "[gate]\nrotation_due = \"90d\"\n\n" + sshDoor + random + "changed = 2026-05-01\n"},
		Good:    Example{Config: "[gate]\nrotation_due = \"90d\"\n\n" + sshDoor + random + "changed = 2026-10-01\n"},
		check: func(in input, tell report) {
			for _, o := range in.Overdue(in.now) {
				tell(o.Place, o.String(), remedy(o.Command()))
			}
		},
	},
	{
		Name: "key-expiry", Group: Care, Severity: Info,
		Summary: "a client's key has expired, or does within two weeks",
		Why:     "From then on it opens nothing. One that has expired is left over; one that is about to leaves someone outside.",
		Remedy:  "remove the client (sallyport client remove), or give it a later date",
		Bad:     Example{Config: spaPort + sshDoor + alice + "expires = 2026-11-10\n"},
		Good:    Example{Config: spaPort + sshDoor + alice + "expires = 2027-11-10\n"},
		check: func(in input, tell report) {
			const soon = 14 * 24 * time.Hour
			for _, c := range in.Clients {
				switch date := c.Expires.Format(time.DateOnly); {
				case c.Expires.IsZero():
				case !in.now.Before(c.Expires):
					tell(c.Place, fmt.Sprintf("client %q has expired on %s", c.Name, date), as(Warning))
				case in.now.Add(soon).After(c.Expires):
					tell(c.Place, fmt.Sprintf("client %q expires on %s", c.Name, date))
				}
			}
		},
	},
	{
		Name: "one-time-low", Group: Care, Severity: Warning,
		Summary: "the one-time sequences of a door run out",
		Why:     "Each opens the door once. When the last has been used, they are no way in any more.",
		Remedy:  "add new ones to the file; those that have been used can be removed",
		Bad: Example{Config: sshDoor + "sequences_file = \"/etc/sallyport/ssh.sequences\"\n",
			Files: map[string]string{"/etc/sallyport/ssh.sequences": "tcp/7213 udp/28114 tcp/1923 udp/19551 tcp/8807\n"}},
		Good: Example{Config: sshDoor + "sequences_file = \"/etc/sallyport/ssh.sequences\"\n",
			Files: map[string]string{"/etc/sallyport/ssh.sequences": "tcp/7213 udp/28114 tcp/1923 udp/19551 tcp/8807\ntcp/21077 udp/6390 tcp/29313 tcp/2766 udp/13980\n" +
				"udp/4091 udp/17764 tcp/25519 tcp/3148 udp/9926\nudp/30007 tcp/12873 tcp/5561 udp/22290 tcp/18446\ntcp/10835 tcp/27640 udp/2359 tcp/16102 udp/7488\n"}},
		check: func(in input, tell report) {
			const low = 5
			for _, d := range in.Doors {
				if d.SequencesFile == "" {
					continue
				}
				left, unused := len(d.OneTime), ""
				if in.host != nil {
					if n, known := in.host.OneTimeLeft[d.Name]; known {
						left, unused = n, "unused "
					}
				}
				switch {
				case left == 0:
					tell(d.Place, fmt.Sprintf("door %q: %s holds no %sone-time sequence", d.Name, d.SequencesFile, unused))
				case left < low:
					tell(d.Place, fmt.Sprintf("door %q: %s holds %d %sone-time %s", d.Name, d.SequencesFile, left, unused, plural(left, "sequence")))
				}
			}
		},
	},
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
