//go:build linux

// Package operator carries out what an operator orders by the control socket or the
// API: to open, to revoke, to ban and to unban. Each order is checked before anything
// is done, and an order that makes no sense says what would.
package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/sessions"
	"sallyport/internal/event"
	"sallyport/internal/gate"
	"sallyport/internal/phrase"
)

// maxOpen is the longest grant that an operator can give.
const maxOpen = 24 * time.Hour

// Operator carries out orders. Its methods may be called by several goroutines at
// once.
type Operator struct {
	inForce  func() *config.Config
	actor    *actor.Actor
	sessions *sessions.Sessions
	bans     *ban.Bans
	listed   func(now time.Time) ([]event.Ban, error)
}

// New returns an operator. InForce is the configuration that is; listed lists who is
// banned, as the kernel has it.
func New(inForce func() *config.Config, a *actor.Actor, s *sessions.Sessions, b *ban.Bans, listed func(time.Time) ([]event.Ban, error)) *Operator {
	return &Operator{inForce: inForce, actor: a, sessions: s, bans: b, listed: listed}
}

// Open gives a grant because an operator says so.
func (o *Operator) Open(ctx context.Context, q control.OpenRequest) (event.Grant, error) {
	return o.OpenFor(ctx, q, "")
}

// OpenFor is Open, with what the operator was asked on record.
func (o *Operator) OpenFor(ctx context.Context, q control.OpenRequest, why string) (event.Grant, error) {
	cfg := o.inForce()
	door := cfg.Door(q.Door)
	if door == nil {
		return event.Grant{}, control.Wrong("doors: "+strings.Join(doorNames(cfg), ", "), "there is no door %q", q.Door)
	}
	source := q.Source.Unmap()
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.Zone() != "" {
		return event.Grant{}, control.Wrong("give the address from which the connection will come", "%q is no source", q.Source)
	}
	duration := time.Duration(q.For)
	if duration == 0 {
		duration = door.OpenFor
	}
	if duration < time.Second || duration > maxOpen {
		return event.Grant{}, control.Wrong(fmt.Sprintf("want 1s to %s", phrase.Duration(maxOpen)), "cannot open for %s", phrase.Duration(duration))
	}
	now := time.Now()
	until := now.Add(duration)
	if !control.RightsOf(ctx).Has(control.Admin) {
		var err error
		if until, err = within(cfg, door, duration, now); err != nil {
			return event.Grant{}, err
		}
	}
	detail := "ordered by " + control.Asker(ctx)
	if why != "" {
		detail += ", " + why
	}
	return o.actor.Open(now, event.Grant{Door: door.Name, Source: source, Until: until, Single: door.Single, Holder: event.Operator},
		gate.Decision{Reason: event.ByOperator, Detail: detail})
}

// within keeps those to a door's limits who are no administrators: it returns when a
// grant ends that begins now, as the gate does for a client.
func within(cfg *config.Config, d *config.Door, duration time.Duration, now time.Time) (time.Time, error) {
	if duration > d.OpenFor {
		return now, &control.Error{Text: fmt.Sprintf("door %q is opened for %s at most", d.Name, phrase.Duration(d.OpenFor)), Remedy: "an administrator may open it for longer"}
	}
	until := now.Add(duration)
	end, open := d.Hours.Until(cfg.Gate.Timezone.In(now))
	if !open {
		return now, &control.Error{Text: fmt.Sprintf("door %q is opened within its hours only: %s", d.Name, d.Hours), Remedy: "an administrator may open it at any time"}
	}
	if !end.IsZero() && end.Before(until) {
		until = end
	}
	return until, nil
}

func doorNames(cfg *config.Config) []string {
	var names []string
	for _, door := range cfg.Doors {
		names = append(names, door.Name)
	}
	return names
}

// Revoke ends grants early and, if asked to, the connections made with them.
func (o *Operator) Revoke(ctx context.Context, q control.RevokeRequest) (control.RevokeAnswer, error) {
	if q.Door == "" && !q.Source.IsValid() && q.Client == "" && !q.All {
		return control.RevokeAnswer{}, control.Wrong("name a door, a source or a client, or say all", "nothing says which grants to revoke")
	}
	cfg := o.inForce()
	if q.Door != "" && cfg.Door(q.Door) == nil {
		return control.RevokeAnswer{}, control.Wrong("doors: "+strings.Join(doorNames(cfg), ", "), "there is no door %q", q.Door)
	}
	source, now := q.Source.Unmap(), time.Now()
	fits := func(g event.Grant) bool {
		return (q.Door == "" || g.Door == q.Door) && (!source.IsValid() || g.Covers(source)) && (q.Client == "" || g.Owner().Is(q.Client))
	}
	o.sessions.Reread(now) // what has begun just now is still known by its grant
	ended, err := o.actor.RevokeFor(now, control.Asker(ctx), fits)
	answer := control.RevokeAnswer{Grants: append([]event.Grant{}, ended...)} // never null
	if q.Cut {
		cut, problem := o.sessions.Revoke(cfg, q, ended)
		answer.Cut, answer.BySource, answer.Others = cut.Connections, cut.BySource, cut.Others
		err = errors.Join(err, problem)
	}
	if unknown := !slices.ContainsFunc(cfg.Clients, func(c config.Client) bool { return c.Name == q.Client }); q.Client != "" && unknown && len(ended)+answer.Cut == 0 && err == nil {
		return control.RevokeAnswer{}, control.Wrong("sallyport status lists the grants and whose they are", "there is no client %q", q.Client)
	}
	return answer, err
}

const (
	leastBan = time.Second
	longBan  = 720 * time.Hour
)

// Bans lists who is banned, as the kernel has it.
func (o *Operator) Bans(context.Context) ([]event.Ban, error) { return o.listed(time.Now()) }

// Ban bans a source because an operator says so.
func (o *Operator) Ban(ctx context.Context, q control.BanRequest) (event.Ban, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.Zone() != "" {
		return event.Ban{}, control.Wrong("give an address", "%q is no source", q.Source)
	}
	length := time.Duration(q.For)
	if length == 0 {
		length = o.inForce().Ban.For
	}
	if length < leastBan || length > longBan {
		return event.Ban{}, control.Wrong(fmt.Sprintf("want %s to %s", phrase.Duration(leastBan), phrase.Duration(longBan)), "cannot ban for %s", phrase.Duration(length))
	}
	b, err := o.bans.Order(now, control.Asker(ctx), source, length)
	if spared := (*ban.Spared)(nil); errors.As(err, &spared) {
		return event.Ban{}, &control.Error{Text: spared.Error(), Remedy: "to end its grants, use sallyport revoke --source " + source.String()}
	}
	return b, err
}

// Unban ends a ban.
func (o *Operator) Unban(ctx context.Context, q control.UnbanRequest) (struct{}, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() {
		return struct{}{}, control.Wrong("give an address", "%q is no source", q.Source)
	}
	was, err := o.bans.Lift(now, control.Asker(ctx), source)
	if err == nil && !was {
		err = &control.Error{Text: fmt.Sprintf("%s is not banned", source), Remedy: "sallyport ban list tells who is"}
	}
	return struct{}{}, err
}
