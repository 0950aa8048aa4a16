package guide

import (
	"sallyport/internal/config"
)

func (w *writer) secrets() {
	c := w.Config
	static := w.doors(w.static) != "" || w.sequenceOfGroup()
	once := w.doors(func(d *config.Door) bool { return d.SequencesFile != "" })
	spa, rotating, fwknop := w.uses(config.WaySPA), w.uses(config.WayRotating), w.uses(config.WayFwknop)
	w.section(w.T("Keys and secrets"))
	w.clause("private-key", spa, w.T("People who knock with an SSH key keep its private part on their own device, under a passphrase or in a security key. Only the public part (`.pub`) is handed in. Nobody asks for the private part."))
	fido := func(c *config.Client) bool { return config.OnSecurityKey(c.Key) && w.Config.SPA.Port != 0 }
	w.clause("security-keys", w.clients(fido) != "", w.T("The keys of these clients are in FIDO2 devices and cannot be copied: %s.", w.clients(fido)))
	w.clause("bound", spa && c.SPA.RequireBound, w.T("A message by SSH key names its source address and is good for no other."))
	w.clause("stun", w.uses(config.WaySTUN), w.T("Messages in STUN look like those of browsers to the networks between; they are proved by the same keys."))
	w.clause("rotating", rotating, w.T("A rotating secret exists on the client's device and on this host only. It travels once, when the client is enrolled, by a way that nobody else reads, and each sequence made from it opens once."))
	w.clause("static", static, w.T("A sequence is a shared secret: only those who need it know it, and it is never sent by mail or written into tickets. What is knocked can be overheard on the way and repeated; only its change ends that."))
	w.clause("one-time", once != "", w.T("These doors have one-time sequences, each of which opens once, in the order of the list: %s. Add new ones before the last is used.", once))
	w.clause("fwknop", fwknop, w.T("Keys of fwknop's clients are shared secrets: the gate and the client hold the same. Replace them by SSH keys when there is occasion."))
	w.clause("file", static || rotating || fwknop, w.T("The configuration holds secrets: only administrators read it, its copies and its backups."))
	due := c.Gate.RotationDue
	w.clause("due-doors", due != 0 && w.doors(w.static) != "", w.T("The sequence of a door is changed after %s at the latest, by `sallyport door rotate`.", w.length(due)))
	w.clause("due-clients", due != 0 && rotating, w.T("A rotating secret is changed after %s at the latest, by `sallyport client rotate`.", w.length(due)))
	w.clause("no-due", due == 0 && (w.doors(w.static) != "" || rotating), w.T("No age is set at which sequences and secrets are due: set `rotation_due`."))
}

// demands are the rules of the organisation's policy.
func (w *writer) demands() {
	p := w.Policy
	if p == nil {
		p = new(config.Requirements)
	}
	w.section(w.T("Rules of the organisation"))
	name := code(p.Path)
	if p.Name != "" {
		name = user(p.Name)
	}
	w.clause("policy", w.Policy != nil, w.T("These rules come from the policy “%s”. `sallyport check --policy` names what does not keep them.", name))
	ways := make([]string, len(p.Ways))
	for i, way := range p.Ways {
		ways[i] = code(string(way))
	}
	w.clause("policy-ways", len(ways) > 0, w.T("Doors may be opened only by these ways: %s.", w.list(ways)))
	w.clause("policy-grant", p.LongestGrant != 0, w.T("No door may be opened for longer than %s.", w.length(p.LongestGrant)))
	w.clause("policy-bits", p.LeastBits != 0, w.T("A sequence must have at least %d bits to guess.", p.LeastBits))
	w.clause("policy-age", p.OldestSecret != 0, w.T("No sequence of a door and no rotating secret may be older than %s.", w.length(p.OldestSecret)))
	w.clause("policy-expiry", p.LongestExpiry != 0, w.T("Each client must have an end within %s, and is enrolled again if still needed.", w.length(p.LongestExpiry)))
	w.clause("policy-hours", p.RequireHours, w.T("Nothing may open a door at any time of the week: doors or clients must have hours."))
	w.clause("policy-bound", p.RequireBound, w.T("A message by SSH key must name its source address."))
	everyone := len(p.SecurityKeys) == 1 && p.SecurityKeys[0] == config.Everyone
	w.clause("policy-fido-all", everyone, w.T("Every client must have a key in a FIDO2 device, and no other way."))
	w.clause("policy-fido", len(p.SecurityKeys) > 0 && !everyone, w.T("These clients, groups and doors must be opened by keys in FIDO2 devices only: %s.", w.quoted(p.SecurityKeys)))
	w.clause("policy-keep", p.ShortestJournal != 0, w.T("Records must be kept for at least %s.", w.length(p.ShortestJournal)))
	w.clause("policy-forget", p.LongestJournal != 0, w.T("Records must not be kept for longer than %s.", w.length(p.LongestJournal)))
}
