//go:build linux

package daemon

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/event"
)

const (
	leastBan = time.Second
	longBan  = 720 * time.Hour
)

// Bans tells who is banned, as the kernel has it.
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
	b := d.bans
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.spares(source, now); why != "" {
		return event.Ban{}, &control.Error{Text: fmt.Sprintf("%s is never banned: %s", source, why), Remedy: "to end its grants, use sallyport revoke --source " + source.String()}
	}
	ban := event.Ban{Source: event.BannedAs(source), Until: now.Add(length)}
	if err := b.keepOut(now, ban.Source, length); err != nil {
		return event.Ban{}, err
	}
	d.events.Put(event.Event{Time: now, Kind: event.KindBan, Source: source, Reason: event.ByOperator, Detail: fmt.Sprintf("%s for %s", ban.Source, length)})
	return ban, nil
}

// Unban ends a ban.
func (d *Daemon) Unban(_ context.Context, q control.UnbanRequest) (struct{}, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() {
		return struct{}{}, wrong("give an address", "%q is no source", q.Source)
	}
	b := d.bans
	b.mu.Lock()
	defer b.mu.Unlock()
	as, _ := b.list.covers(source, now)
	switch was, err := b.release(now, source); {
	case err != nil:
		return struct{}{}, err
	case !was:
		return struct{}{}, &control.Error{Text: fmt.Sprintf("%s is not banned", source), Remedy: "sallyport ban list tells who is"}
	}
	d.events.Put(banEnded(now, as, source, event.ByOperator))
	return struct{}{}, nil
}
