package gate

import (
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/key"
	"sallyport/internal/spa"
	"sallyport/internal/sshauth"
)

// carryTime is how long a message may be under way from gate to gate.
const carryTime = 10 * time.Second

// Here judges what another gate of the fleet says that it has decided, as if the client
// had knocked at this one: by its client, door, hours and times. The grant ends no later
// than there. Servers are the server keys of that gate. Who shares what with whom is for
// the caller to know, and whether the client is banned or out.
func (d Decision) Here(cfg *config.Config, servers []key.Public, now time.Time) Decision {
	d.Kind = event.KindRefusal
	message, err := spa.ParseCarried(d.Carried)
	if err != nil || len(d.Grants) != 1 {
		d.Reason = event.BadHeader
		return d
	}
	client, door, why := d.meant(cfg, message, servers, now)
	if why != "" {
		d.Reason = why
		return d
	}
	d.Authenticated, d.Bound = true, message.Header.Bound
	p := permit{config: cfg, held: make(map[string][]hold)}
	grants, _ := p.give(now, asked{source: d.Source, client: client, doors: []*config.Door{door}, seconds: message.Header.Seconds, proof: keyProof(client)})
	if len(grants) == 1 && d.Grants[0].Until.Before(grants[0].Until) {
		grants[0].Until = d.Grants[0].Until
	}
	if len(grants) == 0 || grants[0].Until.Sub(now) < leastOpen {
		d.Reason = event.OutOfHours
		return d
	}
	d.Kind, d.Reason, d.Grants = event.KindGrant, event.BySPA, grants
	return d
}

// meant returns the client and the door that a message means, if that has signed it for
// the source, and just now.
func (d Decision) meant(cfg *config.Config, message *spa.Carried, servers []key.Public, now time.Time) (*config.Client, *config.Door, event.Reason) {
	at := slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Name == d.Client })
	server := slices.IndexFunc(servers, func(k key.Public) bool { return k.Suite() == message.Suite })
	if at < 0 || server < 0 || cfg.Clients[at].Key == nil || sshauth.ID(cfg.Clients[at].Key) != message.Header.Client {
		return nil, nil, event.UnknownClient
	}
	client, door, h := &cfg.Clients[at], cfg.Door(d.Door), message.Header
	switch {
	case door == nil:
		return nil, nil, event.UnknownDoor
	case !h.Fresh(now, cfg.SPA.ClockSkew+carryTime):
		return nil, nil, event.StaleTime
	case sshauth.Verify(client.Key, message.Signed(servers[server], d.Source), message.Proof) != nil:
		return nil, nil, event.BadProof
	case !h.Bound && (!door.SharedUnbound || cfg.SPA.RequireBound):
		return nil, nil, event.WrongAddress
	case !slices.Contains(client.Doors, door.Name), !means(cfg, h.Door, door.Name):
		return nil, nil, event.ForbiddenDoor
	case !client.Expires.IsZero() && !now.Before(client.Expires):
		return nil, nil, event.KeyExpired
	case !client.From.Allows(d.Source):
		return nil, nil, event.ForbiddenFrom
	case !client.MayUse(message.Suite), h.Single, door.Single, client.Single: // one connection cannot be counted at several gates
		return nil, nil, event.ForbiddenWay
	}
	return client, door, ""
}

// means reports whether a message that names a door or a group, or nothing, means a door.
func means(cfg *config.Config, id [4]byte, door string) bool {
	if id == [4]byte{} || id == spa.DoorID(door) {
		return true
	}
	return slices.ContainsFunc(cfg.Groups, func(g config.Group) bool {
		return spa.DoorID(g.Name) == id && slices.Contains(g.Doors, door)
	})
}
