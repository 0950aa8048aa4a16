package lint

import (
	"fmt"
	"slices"

	"sallyport/internal/config"
)

// Parts of examples.
const (
	exampleKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDDhD78bv1xi7z4WjU6K52xtsZ86oxYkSuJ6lO/7urRq alice@laptop"
	spaPort    = "[spa]\nport = 23917\n\n"
	sshDoor    = "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\n"
	random     = "sequence = [\"udp/21409\", \"tcp/4813\", \"tcp/28761\", \"udp/9377\", \"tcp/15042\"]\n"
	alice      = "\n[[client]]\nname = \"alice\"\ndoors = [\"ssh\"]\nkey = \"" + exampleKey + "\"\n"
)

var workRules = []Rule{
	{
		Name: "nothing-closed", Group: Works, Severity: Warning,
		Summary: "there is no door and policy is \"doors\"",
		Why:     "With this policy only the ports of doors are closed. Without doors, everything is as open as it was.",
		Remedy:  `add a [[door]], or set policy = "all" in [gate]`,
		Bad:     Example{Config: spaPort},
		Good:    Example{Config: spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			if len(in.Doors) == 0 && in.Gate.Policy == config.PolicyDoors {
				tell(config.Place{File: in.Path}, "no [[door]]: nothing is closed")
			}
		},
	},
	{
		Name: "spa-off", Group: Works, Severity: Error,
		Summary: "clients have keys, and SPA is off",
		Why:     "A key is used in SPA messages only, and nobody listens for them. Such a client opens nothing.",
		Remedy:  "set port in [spa]",
		Bad:     Example{Config: sshDoor + random + alice},
		Good:    Example{Config: spaPort + sshDoor + random + alice},
		check: func(in input, tell report) {
			i := slices.IndexFunc(in.Clients, func(c config.Client) bool { return c.Key != nil && c.Rotating.Current.IsZero() && !in.SPA.Knocks(&c) })
			if i >= 0 && in.SPA.Port == 0 {
				tell(in.Clients[i].Place, "clients cannot knock: SPA is off")
			}
		},
	},
	{
		Name: "no-way-in", Group: Works, Severity: Warning,
		Summary: "nobody can open a door from outside",
		Why:     "It has no sequence, and no client may open it who can knock at all. Only the open command on the host opens it.",
		Remedy:  "let a client open it (sallyport client add), or give it a sequence",
		Bad:     Example{Config: sshDoor},
		Good:    Example{Config: spaPort + sshDoor + alice},
		check: func(in input, tell report) {
			if in.Fleet.On() && in.SPA.Port != 0 {
				return // clients come with the roll, which no file has
			}
			ways := in.ways()
			for _, d := range in.Doors {
				if ways[d.Name] == (way{}) {
					tell(d.Place, fmt.Sprintf("door %q has no way in but the open command: no sequence, and no client that may open it and can", d.Name))
				}
			}
		},
	},
	{
		Name: "guards-everything", Group: Works, Severity: Warning,
		Summary: "a door guards every destination behind a router",
		Why:     "Connections from behind this host to that port anywhere in the world then need the door open too.",
		Remedy:  "set interfaces in [gate] to the outer ones, or name your own networks in to",
		Bad:     Example{Config: spaPort + sshDoor + "to = [\"0.0.0.0/0\"]\n" + alice},
		Good:    Example{Config: spaPort + "[gate]\ninterfaces = [\"wan0\"]\n\n" + sshDoor + "to = [\"0.0.0.0/0\"]\n" + alice},
		check: func(in input, tell report) {
			for _, d := range in.Doors {
				for _, p := range d.To {
					if p.Bits() == 0 && len(in.Gate.Interfaces) == 0 {
						tell(d.Place, fmt.Sprintf("door %q guards every destination (%s): connections from behind this host to the outside need it open too", d.Name, p))
					}
				}
			}
		},
	},
	{
		Name: "sequence-inside", Group: Works, Severity: Warning,
		Summary: "the sequence of a door is inside that of another",
		Why:     "Anyone who knocks the longer one opens both doors. (A sequence that is the beginning of another is refused when the configuration is read.)",
		Remedy:  "change one of the two sequences: sallyport door rotate",
		Bad:     Example{Config: sshDoor + random + webDoor + "sequence = [\"tcp/30211\", \"udp/21409\", \"tcp/4813\", \"tcp/28761\", \"udp/9377\", \"tcp/15042\"]\n"},
		Good:    Example{Config: sshDoor + random + webDoor + otherRandom},
		check: func(in input, tell report) {
			inside := in.inside()
			for _, s := range in.lasting() {
				if outer, ok := inside[spell(s.knocks)]; ok && outer != s.owner {
					tell(s.place, fmt.Sprintf("%s opens on the way to %s, whose sequence contains its own", s.title(), outer))
				}
			}
		},
	},
}
