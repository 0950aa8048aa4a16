//go:build linux

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/daemon/ban"
	"sallyport/internal/daemon/decoy"
	"sallyport/internal/daemon/services"
	"sallyport/internal/event"
)

const (
	leastBan = time.Second
	longBan  = 720 * time.Hour
)

// Bans lists who is banned, as the kernel has it.
func (d *Daemon) Bans(context.Context) ([]event.Ban, error) { return d.firewall.Bans(time.Now()) }

// Ban bans a source because an operator says so.
func (d *Daemon) Ban(_ context.Context, q control.BanRequest) (event.Ban, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.Zone() != "" {
		return event.Ban{}, wrong("give an address", "%q is no source", q.Source)
	}
	length := time.Duration(q.For)
	if length == 0 {
		length = d.config.Load().Ban.For
	}
	if length < leastBan || length > longBan {
		return event.Ban{}, wrong(fmt.Sprintf("want %s to %s", leastBan, longBan), "cannot ban for %s", length)
	}
	b, err := d.bans.Order(now, source, length)
	if spared := (*ban.Spared)(nil); errors.As(err, &spared) {
		return event.Ban{}, &control.Error{Text: spared.Error(), Remedy: "to end its grants, use sallyport revoke --source " + source.String()}
	}
	return b, err
}

// Unban ends a ban.
func (d *Daemon) Unban(_ context.Context, q control.UnbanRequest) (struct{}, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() {
		return struct{}{}, wrong("give an address", "%q is no source", q.Source)
	}
	was, err := d.bans.Lift(now, source)
	if err == nil && !was {
		err = &control.Error{Text: fmt.Sprintf("%s is not banned", source), Remedy: "sallyport ban list tells who is"}
	}
	return struct{}{}, err
}

// watchBans ends bans.
func (d *Daemon) watchBans(ctx context.Context) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-every.C:
			d.bans.Expire(now)
		}
	}
}

// decoyServices are the ports at which nothing is but what catches those who
// try them.
func (d *Daemon) decoyServices(c *change) (list []services.Service) {
	if !c.to.Ban.Enabled {
		return nil
	}
	for _, port := range c.to.Ban.Decoys {
		name := "decoy " + port.String()
		heard := func(from netip.Addr, said decoy.Said) { d.bans.Accuse(time.Now(), from, ban.Touched(port, said)) }
		list = append(list, services.Service{Subject: name, Key: name, Open: func() (services.Opened, error) {
			l, err := decoy.Listen(port)
			if err != nil {
				return services.Opened{}, err
			}
			return services.Opened{Run: func(ctx context.Context) error { decoy.Serve(ctx, l, heard); return nil }, Close: l.Close}, nil
		}})
	}
	return list
}
