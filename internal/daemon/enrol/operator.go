//go:build linux

package enrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/control"
	"sallyport/internal/enrolled"
	"sallyport/internal/event"
	"sallyport/internal/phrase"
)

// Invite makes an invite. Names of doors, and what limits the client, are as they are
// now: a change of the configuration changes no invite.
func (b *Book) Invite(ctx context.Context, q control.InviteRequest, smallKey func() bool) (control.InviteAnswer, error) {
	now := time.Now().UTC().Truncate(time.Second)
	if time.Duration(q.MaxOpen)%time.Second != 0 { // else less than one would be no limit
		return control.InviteAnswer{}, control.Wrong("want whole seconds", "max_open is %s", phrase.Duration(time.Duration(q.MaxOpen)))
	}
	r := enrolled.Record{
		Name: q.Client, Label: q.Label, Doors: q.Doors, From: q.From, Expires: q.Expires, MaxOpen: int(time.Duration(q.MaxOpen) / time.Second),
		Single: q.Single, Page: q.Page, Rotating: q.Rotating, Key: q.Key, Made: now, Until: now.Add(time.Duration(q.For)).Truncate(time.Second),
	}
	if err := r.Validate(); err != nil {
		return control.InviteAnswer{}, control.Wrong("", "invite client %q: %v", q.Client, err)
	}
	b.Changing.Lock()
	defer b.Changing.Unlock()
	b.sweep(ctx, now)
	if err := b.fits(r, smallKey()); err != nil {
		return control.InviteAnswer{}, err
	}
	if err := b.folder.Write(r); err != nil {
		return control.InviteAnswer{}, err
	}
	b.set(r)
	if err := b.Bring(ctx); err != nil {
		return control.InviteAnswer{}, err
	}
	b.ordered(ctx, now, r.Name, fmt.Sprintf("an invite was made for %s, valid until %s", strings.Join(r.Doors, ", "), r.Until.Format(time.RFC3339)))
	return control.InviteAnswer{Until: r.Until}, nil
}

// ordered puts on record what an operator had done, and who that was.
func (b *Book) ordered(ctx context.Context, now time.Time, client, what string) {
	b.Put(event.Event{Time: now, Kind: event.KindEnrolment, Reason: event.ByOperator, Client: client, Detail: what + ", ordered by " + control.Asker(ctx)})
}

// fits refuses an invite that nobody could use.
func (b *Book) fits(r enrolled.Record, smallKey bool) error {
	cfg := b.InForce()
	open, all := 0, b.List()
	for _, other := range all {
		if other.Use == nil {
			open++
		}
	}
	if err := b.fresh(r); err != nil {
		return err
	}
	switch {
	case open >= enrolled.MaxOpen:
		return &control.Error{Text: fmt.Sprintf("%s are open, and there may be no more", phrase.Count(open, "invite")), Remedy: "take back those that nobody needs: sallyport client list, sallyport client remove NAME"}
	case len(all) >= enrolled.MaxRecords:
		return &control.Error{Text: fmt.Sprintf("%s are kept, and there may be no more", phrase.Count(len(all), "enrolled client")), Remedy: "enrol further ones with sallyport client add"}
	case cfg.SPA.Port == 0:
		return &control.Error{Text: "SPA is off on this server, and invites need it", Remedy: "set port in [spa], such as 40321, then: sallyport reload"}
	case r.Page != "" && !cfg.SPA.STUN:
		return &control.Error{Text: "messages of browsers are not taken by this server", Remedy: "set stun = true in [spa], then: sallyport reload"}
	case !smallKey:
		return &control.Error{Text: "invites need a server key of the suite x25519, and there is none", Remedy: "sallyport server-key rotate --suite x25519 adds one; the other key stays"}
	}
	if door := enrolled.Missing(cfg, r); door != "" {
		return control.Wrong("doors: "+strings.Join(namesOf(cfg), ", "), "there is no door %q", door)
	}
	if why := enrolled.Collision(cfg, r); why != "" {
		return &control.Error{Text: why, Remedy: "choose another name, or remove that client first"}
	}
	return nil
}

// fresh refuses the name of a client that is kept, in force or not: the one that comes
// back when its doors do must not be another than the one that is meant. It refuses the
// key of another record, too, in whose place this one would be written.
func (b *Book) fresh(r enrolled.Record) error {
	if list := b.named(r.Name); len(list) > 0 {
		if list[0].Use == nil {
			return &control.Error{Text: fmt.Sprintf("there is an open invite for client %q", r.Name), Remedy: "sallyport client remove " + r.Name + " takes it back"}
		}
		return &control.Error{Text: fmt.Sprintf("client %q has enrolled itself before", r.Name), Remedy: "choose another name, or: sallyport client remove " + r.Name}
	}
	if _, there := b.get(r.ID()); there {
		return control.Wrong("make a new key for each invite", "there is an invite with this key already")
	}
	return nil
}

func namesOf(cfg *config.Config) (names []string) {
	for i := range cfg.Doors {
		names = append(names, cfg.Doors[i].Name)
	}
	return names
}

// Remove takes back an open invite, or removes an enrolled client: its invite counts as
// used for as long as someone could try it. Nothing of that name is left, also where
// a folder that was put back holds it twice.
func (b *Book) Remove(ctx context.Context, q control.RemoveRequest) (a control.RemoveAnswer, err error) {
	b.Changing.Lock()
	defer b.Changing.Unlock()
	now, list := time.Now(), b.named(q.Client)
	if len(list) == 0 {
		return a, nil
	}
	for _, r := range list {
		a.Invite, a.Client = a.Invite || r.Use == nil, a.Client || r.Use != nil
		err = errors.Join(err, b.remove(r, now))
	}
	if err = errors.Join(err, b.Bring(ctx)); err != nil {
		return control.RemoveAnswer{}, err
	}
	detail := "the open invite was taken back"
	if a.Client {
		detail = "the enrolled client was removed"
	}
	b.ordered(ctx, now, q.Client, detail)
	return a, nil
}

// remove removes one record, on the disk first.
func (b *Book) remove(r enrolled.Record, now time.Time) error {
	if Gone(&r, now) {
		if err := b.folder.Remove(r); err != nil {
			return err
		}
		b.drop(r)
		return nil
	}
	if err := b.folder.Write(r); err != nil {
		return err
	}
	b.set(r)
	return nil
}

// Gone removes the client of a record, and reports whether nothing of it needs to be
// kept.
func Gone(r *enrolled.Record, now time.Time) bool {
	if r.Use == nil {
		return true
	}
	r.Removed = true
	return r.Over(now, longest)
}

// longest is more than any window within which a message can be accepted.
const longest = time.Hour

// named returns what is not removed yet: one record, unless the folder was put back.
func (b *Book) named(name string) []enrolled.Record {
	return slices.DeleteFunc(b.List(), func(r enrolled.Record) bool { return r.Name != name || r.Removed })
}

// Label writes beside a client who or what it is.
func (b *Book) Label(ctx context.Context, q control.LabelRequest) (control.RemoveAnswer, error) {
	b.Changing.Lock()
	defer b.Changing.Unlock()
	list := b.named(q.Client)
	if len(list) == 0 {
		return control.RemoveAnswer{}, nil
	}
	r := list[0]
	r.Label = q.Label
	if err := r.Validate(); err != nil {
		return control.RemoveAnswer{}, control.Wrong("", "label client %q: %v", q.Client, err)
	}
	if err := b.folder.Write(r); err != nil {
		return control.RemoveAnswer{}, err
	}
	b.set(r)
	if err := b.Bring(ctx); err != nil {
		return control.RemoveAnswer{}, err
	}
	what := fmt.Sprintf("the label is now %q", q.Label)
	if q.Label == "" {
		what = "the label was removed"
	}
	b.ordered(ctx, time.Now(), q.Client, what)
	return control.RemoveAnswer{Invite: r.Use == nil, Client: r.Use != nil}, nil
}
