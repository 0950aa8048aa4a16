//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/event"
	"sallyport/internal/gate"
)

// maxOpen is the longest grant that an operator can give.
const maxOpen = 24 * time.Hour

// wrong says that a request makes no sense.
func wrong(remedy, format string, args ...any) error {
	return &control.Error{Text: fmt.Sprintf(format, args...), Remedy: remedy, Wrong: true}
}

// Open gives a grant because an operator says so.
func (d *Daemon) Open(_ context.Context, q control.OpenRequest) (event.Grant, error) {
	cfg := d.config.Load()
	door := cfg.Door(q.Door)
	if door == nil {
		return event.Grant{}, wrong("doors: "+strings.Join(doorNames(cfg), ", "), "there is no door %q", q.Door)
	}
	source := q.Source.Unmap()
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.Zone() != "" {
		return event.Grant{}, wrong("give the address from which the connection will come", "%q is no source", q.Source)
	}
	duration := time.Duration(q.For)
	if duration == 0 {
		duration = door.OpenFor
	}
	if duration < time.Second || duration > maxOpen {
		return event.Grant{}, wrong(fmt.Sprintf("want 1s to %s", maxOpen), "cannot open for %s", duration)
	}
	now := time.Now()
	return d.actor.Open(now, event.Grant{Door: door.Name, Source: source, Until: now.Add(duration), Single: door.Single, Holder: event.Operator}, gate.Decision{Reason: event.ByOperator})
}

func doorNames(cfg *config.Config) []string {
	var names []string
	for _, door := range cfg.Doors {
		names = append(names, door.Name)
	}
	return names
}

// Revoke ends grants early and, if asked to, the connections made with them.
func (d *Daemon) Revoke(_ context.Context, q control.RevokeRequest) (control.RevokeAnswer, error) {
	if q.Door == "" && !q.Source.IsValid() && q.Client == "" && !q.All {
		return control.RevokeAnswer{}, wrong("name a door, a source or a client, or say all", "nothing says which grants to revoke")
	}
	cfg := d.config.Load()
	if q.Door != "" && cfg.Door(q.Door) == nil {
		return control.RevokeAnswer{}, wrong("doors: "+strings.Join(doorNames(cfg), ", "), "there is no door %q", q.Door)
	}
	source, now := q.Source.Unmap(), time.Now()
	fits := func(g event.Grant) bool {
		return (q.Door == "" || g.Door == q.Door) && (!source.IsValid() || g.Covers(source)) && (q.Client == "" || g.Owner().Is(q.Client))
	}
	d.sessions.Reread(now) // what has begun just now is still known by its grant
	ended, err := d.actor.Revoke(now, event.ByOperator, fits)
	answer := control.RevokeAnswer{Grants: append([]event.Grant{}, ended...)} // never null
	if q.Cut {
		cut, problem := d.sessions.Revoke(cfg, q, ended)
		answer.Cut, answer.BySource, answer.Others = cut.Connections, cut.BySource, cut.Others
		err = errors.Join(err, problem)
	}
	if unknown := !slices.ContainsFunc(cfg.Clients, func(c config.Client) bool { return c.Name == q.Client }); q.Client != "" && unknown && len(ended)+answer.Cut == 0 && err == nil {
		return control.RevokeAnswer{}, wrong("sallyport status lists the grants and whose they are", "there is no client %q", q.Client)
	}
	return answer, err
}

// Reload reads the configuration again, or tells what would change.
func (d *Daemon) Reload(ctx context.Context, q control.ReloadRequest) (control.ReloadAnswer, error) {
	var a control.ReloadAnswer
	var err error
	if q.DryRun {
		a, err = d.dryRun(q)
	} else {
		a, err = d.reload(ctx, q)
	}
	if e := (*control.Error)(nil); err != nil && !errors.As(err, &e) {
		err = &control.Error{Text: fmt.Sprintf("the old configuration goes on: %v", err)}
	}
	return a, err
}

// Down removes the table, which opens everything, and ends the daemon. What was
// in force is forgotten only if the operator says so.
func (d *Daemon) Down(_ context.Context, q control.DownRequest) (struct{}, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.isDown() {
		return struct{}{}, nil
	}
	if q.Forget {
		if err := d.kept.Forget(); err != nil {
			return struct{}{}, err
		}
	}
	if err := d.firewall.Down(); err != nil {
		return struct{}{}, err
	}
	if err := d.moat.Remove(); err != nil {
		d.log.Warn("the moat could not be taken off all interfaces", "error", err)
	}
	close(d.down)
	return struct{}{}, nil
}
