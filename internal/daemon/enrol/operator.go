//go:build linux

package enrol

import (
	"context"
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
	b.Put(event.Event{Time: now, Kind: event.KindEnrolment, Reason: event.ByOperator, Client: r.Name,
		Detail: fmt.Sprintf("an invite was made for %s, valid until %s", strings.Join(r.Doors, ", "), r.Until.Format(time.RFC3339))})
	return control.InviteAnswer{Until: r.Until}, nil
}

// fits refuses an invite that nobody could use.
func (b *Book) fits(r enrolled.Record, smallKey bool) error {
	cfg := b.InForce()
	open, all := 0, b.List()
	for _, other := range all {
		if other.Use != nil {
			continue
		}
		open++
		if other.Name == r.Name {
			return &control.Error{Text: fmt.Sprintf("there is an open invite for client %q", r.Name), Remedy: "sallyport client remove " + r.Name + " takes it back"}
		}
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
		return &control.Error{Text: fmt.Sprintf("cannot invite client %q: %s", r.Name, why), Remedy: "choose another name, or remove that client first"}
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
// used for as long as someone could try it.
func (b *Book) Remove(ctx context.Context, q control.RemoveRequest) (control.RemoveAnswer, error) {
	b.Changing.Lock()
	defer b.Changing.Unlock()
	r, there := b.named(q.Client)
	if !there {
		return control.RemoveAnswer{}, nil
	}
	now := time.Now()
	a := control.RemoveAnswer{Invite: r.Use == nil, Client: r.Use != nil}
	gone := Gone(&r, now)
	var err error
	if gone {
		err = b.folder.Remove(r)
	} else {
		err = b.folder.Write(r)
	}
	if err != nil {
		return control.RemoveAnswer{}, err
	}
	detail := "the enrolled client was removed"
	if a.Invite {
		detail = "the open invite was taken back"
	}
	if gone {
		b.drop(r)
	} else {
		b.set(r)
	}
	if err := b.Bring(ctx); err != nil {
		return control.RemoveAnswer{}, err
	}
	b.Put(event.Event{Time: now, Kind: event.KindEnrolment, Reason: event.ByOperator, Client: r.Name, Detail: detail})
	return a, nil
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

// named finds what is not removed yet.
func (b *Book) named(name string) (enrolled.Record, bool) {
	list := b.List()
	i := slices.IndexFunc(list, func(r enrolled.Record) bool { return r.Name == name && !r.Removed })
	if i < 0 {
		return enrolled.Record{}, false
	}
	return list[i], true
}

// Label writes beside a client who or what it is.
func (b *Book) Label(ctx context.Context, q control.LabelRequest) (control.RemoveAnswer, error) {
	b.Changing.Lock()
	defer b.Changing.Unlock()
	r, there := b.named(q.Client)
	if !there {
		return control.RemoveAnswer{}, nil
	}
	r.Label = q.Label
	if err := r.Validate(); err != nil {
		return control.RemoveAnswer{}, control.Wrong("", "label client %q: %v", q.Client, err)
	}
	if err := b.folder.Write(r); err != nil {
		return control.RemoveAnswer{}, err
	}
	b.set(r)
	return control.RemoveAnswer{Invite: r.Use == nil, Client: r.Use != nil}, b.Bring(ctx)
}
