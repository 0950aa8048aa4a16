//go:build linux

package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/consent"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

// maxTried is how many doors are tried from elsewhere, as in the lab.
const maxTried = 24

// Consent agrees to a drill from addresses that the administrator names. They have to be
// named: without that, a stranger's findings would pass for a drill, and his bans
// would be lifted.
func (d *Daemon) Consent(ctx context.Context, q control.ConsentRequest) (control.ConsentAnswer, error) {
	length := time.Duration(q.Valid)
	if length == 0 {
		length = consent.Longest
	}
	if length < time.Minute || length > consent.Longest {
		return control.ConsentAnswer{}, control.Wrong("want 1m to 1h", "cannot consent to a drill for %s", phrase.Duration(length))
	}
	now, cfg := time.Now(), d.config.Load()
	sources, err := d.attackers(cfg, q.Sources, now)
	if err != nil {
		return control.ConsentAnswer{}, err
	}
	var random [consent.RandomSize]byte
	if _, err := rand.Read(random[:]); err != nil {
		return control.ConsentAnswer{}, err
	}
	token := targets(cfg, now.Add(length))
	token.Spared = slices.ContainsFunc(sources, func(a netip.Addr) bool { return d.bans.Spares(a, now) != "" })
	token = token.Identified(random)
	given, err := d.consent.Give(now, token, sources, length)
	if err != nil {
		return control.ConsentAnswer{}, &control.Error{Text: err.Error(), Remedy: "sallyport drill --result ends it, or its time"}
	}
	d.events.Put(event.Event{Time: now, Kind: event.KindDrill, Source: sources[0], Reason: event.ByOperator,
		Detail: fmt.Sprintf("consent %s: attacks from %v for %s, ordered by %s", given.ID, sources, phrase.Duration(length), control.Asker(ctx))})
	return control.ConsentAnswer{ID: given.ID, Token: token.String(), Sources: sources, Until: given.Until}, nil
}

// attackers are the addresses from which a drill can be carried out. What comes from one
// that is let in anyway, or kept out already, would show nothing.
func (d *Daemon) attackers(cfg *config.Config, asked []netip.Addr, now time.Time) (list []netip.Addr, err error) {
	if len(asked) == 0 || len(asked) > consent.MaxSources {
		return nil, control.Wrong("name the attacker's address as this gate sees it, or one of each family", "a consent names 1 to %d addresses", consent.MaxSources)
	}
	for _, a := range asked {
		a = a.Unmap()
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Zone() != "":
			return nil, control.Wrong("give the address from which the attacks will come", "%q is no source of attacks", a)
		case slices.ContainsFunc(cfg.Gate.Trusted, func(p netip.Prefix) bool { return p.Contains(a) }):
			return nil, control.Wrong("attack from an address that is not trusted", "%s is trusted: everything is open to it", a)
		case d.bans.Has(a, now):
			return nil, &control.Error{Text: fmt.Sprintf("%s is banned already", a), Remedy: fmt.Sprintf("first: sallyport ban remove %s", a)}
		}
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list, nil
}

// targets is what an attacker is shown.
func targets(cfg *config.Config, until time.Time) consent.Token {
	t := consent.Token{Until: until.Unix(), Ports: []packet.Port{}, SPA: cfg.SPA.Port, Reject: cfg.Gate.Closed == config.ClosedReject,
		Scan: cfg.Detect.ScanPorts, Slow: cfg.Detect.SlowPorts, Window: int(cfg.Detect.ScanWindow / time.Second)}
	for _, door := range cfg.Doors[:min(len(cfg.Doors), maxTried)] {
		t.Ports = append(t.Ports, door.Ports[0])
	}
	if cfg.Ban.Enabled {
		t.Tries, t.Decoys = cfg.Ban.Tries, cfg.Ban.Decoys[:min(len(cfg.Ban.Decoys), maxTried)]
	}
	return t
}

// Consented reports what came of a consent. With End, the consent is over and its bans
// are lifted.
func (d *Daemon) Consented(ctx context.Context, q control.ConsentedRequest) (control.ConsentedAnswer, error) {
	now, cfg := time.Now(), d.config.Load()
	ask := d.consent.Prove
	if q.End {
		ask = d.consent.End
	}
	s, err := ask(now, q.Proof)
	if err != nil {
		return control.ConsentedAnswer{}, &control.Error{Text: err.Error(), Remedy: "sallyport events --kind drill lists consents; a daemon that was restarted has forgotten them. sallyport ban list shows what is left"}
	}
	a := control.ConsentedAnswer{ID: s.ID, Sources: s.Sources, Now: now, Given: s.Given, Until: s.Until, First: s.First, Last: s.Last,
		Detect: cfg.Detect.Enabled, Bans: cfg.Ban.Enabled, Banned: append([]netip.Addr{}, s.Banned...)}
	if !q.End {
		return a, nil
	}
	for _, source := range s.Banned {
		was, err := d.bans.Lift(now, fmt.Sprintf("%s at the end of %s", control.Asker(ctx), consent.Mark(s.ID)), source)
		if err != nil {
			return a, fmt.Errorf("lift the ban of %s: %w", source, err)
		}
		if was {
			a.Lifted = append(a.Lifted, event.BannedAs(source))
		}
	}
	d.events.Put(event.Event{Time: now, Kind: event.KindDrill, Source: s.Sources[0], Reason: event.ByOperator,
		Detail: fmt.Sprintf("consent %s: ended by %s, %s lifted", s.ID, control.Asker(ctx), phrase.Count(len(a.Lifted), "ban"))})
	return a, nil
}
