//go:build linux

package inquiry

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/journal"
)

// Clients returns a page of clients.
func (i *Inquiry) Clients(ctx context.Context, q control.ClientsRequest) (a control.ClientsAnswer, err error) {
	limit, err := limited(q.Limit, mostClients)
	if err != nil {
		return a, err
	}
	cfg, now := i.around.InForce(), time.Now()
	from := 0
	if q.After != "" {
		if from = slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Name == q.After }) + 1; from == 0 {
			return a, control.Wrong("begin without one", "there is no client %q", q.After)
		}
	}
	grants, _, err := i.around.Grants(ctx, now)
	if err != nil {
		return a, err
	}
	has := make(map[string]int)
	for _, g := range grants {
		has[g.Client]++
	}
	page := cfg.Clients[from:min(from+limit, len(cfg.Clients))]
	a = control.ClientsAnswer{Clients: []control.Client{}, More: from+limit < len(cfg.Clients)}
	for j := range page {
		a.Clients = append(a.Clients, clientOf(cfg, &page[j], now))
		a.Clients[j].Grants = has[page[j].Name]
	}
	return a, i.lastUses(ctx, a.Clients)
}

func clientOf(cfg *config.Config, c *config.Client, now time.Time) control.Client {
	is := control.Client{Name: c.Name, Label: c.Label, Doors: append([]string{}, c.Doors...), Groups: c.Groups, Ways: waysOf(cfg, c), Expires: c.Expires, Hours: hours(cfg, c.Hours, now)}
	if c.Key != nil {
		is.Key = c.Key.Type() + " " + ssh.FingerprintSHA256(c.Key)
	}
	if !c.Rotating.Current.IsZero() {
		is.Rotating = secret(cfg, c.Changed, c.Rotating.PreviousUntil, now)
	}
	return is
}

// waysOf are the ways by which a client gets in.
func waysOf(cfg *config.Config, c *config.Client) []string {
	ways := []string{}
	if c.Key != nil && cfg.SPA.Port != 0 {
		ways = append(ways, "spa")
	}
	if c.Fwknop != nil && cfg.SPA.FwknopPort != 0 {
		ways = append(ways, "fwknop")
	}
	if !c.Rotating.Current.IsZero() {
		ways = append(ways, "rotating")
	}
	return ways
}

// lastUses adds when clients were last let in. A journal that is not there says nothing.
func (i *Inquiry) lastUses(ctx context.Context, list []control.Client) error {
	if len(list) == 0 {
		return nil
	}
	err := i.read(ctx, func(ctx context.Context, r *journal.Reader) error {
		for j := range list {
			for e, err := range r.Events(ctx, journal.Query{Client: list[j].Name, Kinds: []event.Kind{event.KindGrant}, Limit: 1}) {
				if err != nil {
					return err
				}
				list[j].Last = &control.LastUse{Time: e.Time, Door: e.Door, Source: e.Source, Reason: e.Reason}
			}
		}
		return nil
	})
	if errors.Is(err, errNoJournal) {
		return nil
	}
	return err
}

func secret(cfg *config.Config, changed, previousUntil, now time.Time) *control.Secret {
	s := &control.Secret{Changed: changed}
	if previousUntil.After(now) {
		s.PreviousUntil = previousUntil
	}
	if due := cfg.Gate.RotationDue; due != 0 {
		if !changed.IsZero() {
			s.Due = changed.Add(due)
		}
		s.Overdue = !now.Before(s.Due)
	}
	return s
}

func hours(cfg *config.Config, h config.Hours, now time.Time) *control.Hours {
	if h.IsZero() {
		return nil
	}
	end, open := h.Until(cfg.Gate.Timezone.In(now))
	return &control.Hours{Text: h.String(), Open: open, Until: end}
}

// DoorList returns every door.
func (i *Inquiry) DoorList(ctx context.Context) (a control.DoorsAnswer, err error) {
	cfg, now := i.around.InForce(), time.Now()
	grants, _, err := i.around.Grants(ctx, now)
	if err != nil {
		return a, err
	}
	refused, err := i.around.Counters()
	if err != nil {
		return a, err
	}
	open := make(map[string]int)
	for _, g := range grants {
		open[g.Door]++
	}
	a.Doors = make([]control.DoorState, 0, len(cfg.Doors))
	at := make(map[string]int, len(cfg.Doors))
	for j := range cfg.Doors {
		d := doorOf(cfg, &cfg.Doors[j], now)
		d.Grants = open[d.Name]
		for _, p := range cfg.Doors[j].Ports {
			d.Dropped += refused.Doors[p]
		}
		at[d.Name] = j
		a.Doors = append(a.Doors, d)
	}
	for j := range cfg.Clients {
		ways := waysOf(cfg, &cfg.Clients[j])
		for _, name := range cfg.Clients[j].Doors {
			if k, ok := at[name]; ok {
				a.Doors[k].Clients++
				a.Doors[k].Ways = union(a.Doors[k].Ways, ways)
			}
		}
	}
	return a, nil
}

func union(list, more []string) []string {
	for _, w := range more {
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

func doorOf(cfg *config.Config, d *config.Door, now time.Time) control.DoorState {
	s := control.DoorState{Name: d.Name, Label: d.Label, Ports: []string{}, OpenFor: control.Duration(d.OpenFor), Single: d.Single, Ways: []string{},
		Hours: hours(cfg, d.Hours, now), Polled: control.Duration(d.Polled)}
	for _, p := range d.Ports {
		s.Ports = append(s.Ports, p.String())
	}
	for _, p := range d.To {
		s.To = append(s.To, p.String())
	}
	if len(d.Sequence) > 0 {
		s.Ways = append(s.Ways, "sequence")
		s.Sequence = secret(cfg, d.Changed, d.PreviousUntil, now)
	}
	if d.SequencesFile != "" {
		s.Ways = append(s.Ways, "one-time")
	}
	return s
}

// Sources returns who may use a door now, in order, of doors whose sources may be read.
// While not all grants are known it returns none: a list that lacks some would shut
// them out elsewhere.
func (i *Inquiry) Sources(ctx context.Context, q control.SourcesRequest) ([]netip.Prefix, error) {
	d := i.around.InForce().Door(q.Door)
	if d == nil || d.Polled == 0 { // the same answer: who may read lists need not know which doors there are
		return nil, control.Wrong("set polled for the door", "there is no door %q whose sources may be read", q.Door)
	}
	grants, all, err := i.around.Grants(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	if !all {
		return nil, &control.Error{Text: "the grants of before the start are still being read", Remedy: "keep the list that you have, and ask again in a moment"}
	}
	list := []netip.Prefix{}
	for _, g := range grants {
		if g.Door == d.Name {
			list = append(list, g.From())
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list), nil
}
