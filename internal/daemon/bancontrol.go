package daemon

import (
	"context"
	"fmt"
	"time"

	"sallyport/internal/control"
	"sallyport/internal/gate"
)

const (
	leastBan = time.Second
	longBan  = 720 * time.Hour
)

// Bans tells who is banned, as the kernel has it.
func (d *Daemon) Bans(context.Context) ([]gate.Ban, error) { return d.firewall.Bans(time.Now()) }

// Ban bans a source because an operator says so.
func (d *Daemon) Ban(_ context.Context, q control.BanRequest) (gate.Ban, error) {
	source, now := q.Source.Unmap(), time.Now()
	if !source.IsValid() || source.IsUnspecified() || source.IsMulticast() || source.Zone() != "" {
		return gate.Ban{}, wrong("give an address", "%q is no source", q.Source)
	}
	length := time.Duration(q.For)
	if length == 0 {
		length = d.config.Load().Ban.For
	}
	if length < leastBan || length > longBan {
		return gate.Ban{}, wrong(fmt.Sprintf("want %s to %s", leastBan, longBan), "cannot ban for %s", length)
	}
	b := d.bans
	b.mu.Lock()
	defer b.mu.Unlock()
	if why := b.spares(source, now); why != "" {
		return gate.Ban{}, &control.Error{Text: fmt.Sprintf("%s is never banned: %s", source, why), Remedy: "to end its grants, use sallyport revoke --source " + source.String()}
	}
	if err := b.keepOut(now, source, length); err != nil {
		return gate.Ban{}, err
	}
	ban := gate.Ban{Source: gate.BannedAs(source), Until: now.Add(length)}
	d.events.put(gate.Event{Time: now, Kind: gate.KindBan, Source: source, Reason: gate.ByOperator, Detail: fmt.Sprintf("%s for %s", ban.Source, length)})
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
	as := gate.BannedAs(source)
	if !now.Before(b.banned[as]) {
		return struct{}{}, &control.Error{Text: fmt.Sprintf("%s is not banned", source), Remedy: "sallyport ban list tells who is"}
	}
	if err := b.kernel.Unban(source); err != nil {
		return struct{}{}, err
	}
	delete(b.banned, as)
	d.events.put(banEnded(now, source, gate.ByOperator))
	return struct{}{}, nil
}
