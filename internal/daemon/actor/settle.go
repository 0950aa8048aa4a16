//go:build linux

package actor

import (
	"slices"
	"time"

	"sallyport/internal/event"
)

// When a revocation that the firewall has not carried out is tried again: soon,
// and then ever more rarely. It ends with the grant, which lasts a day at most.
const (
	settleFirst = time.Second
	settleMost  = time.Minute
)

// unsettled is when what the firewall has failed to end is tried again.
type unsettled struct {
	wait time.Duration // zero: nothing is left to end
	at   time.Time
}

// settle brings kernel and book to agree where a revocation has failed, and
// returns when it is to be called again; zero: there is nothing to do.
func (a *Actor) settle(now time.Time) time.Time {
	u := &a.unsettled
	switch {
	case !a.book.Owes():
		if u.wait != 0 {
			a.around.Undone(nil)
		}
		*u = unsettled{}
		return time.Time{}
	case u.wait == 0:
		u.wait = settleFirst
	case now.Before(u.at):
		return u.at
	default:
		if err := a.again(now); err == nil {
			*u = unsettled{}
			return time.Time{}
		}
		u.wait = min(2*u.wait, settleMost)
	}
	u.at = now.Add(u.wait)
	return u.at
}

// again tries once more.
func (a *Actor) again(now time.Time) error {
	ended, err := a.book.Settle(now)
	for why, list := range ended {
		a.EndedEarly(now, why, list)
		if elsewhere(why) { // what has begun meanwhile
			a.around.Cut(func(o event.Owner) bool {
				return slices.ContainsFunc(list, func(g event.Grant) bool { return g.Owner() == o })
			})
		}
	}
	a.around.Undone(err)
	return err
}

// FailedToEnd reports that the firewall has not ended what it was to end.
func (a *Actor) FailedToEnd(now time.Time, why event.Reason, err error) {
	if err == nil {
		return
	}
	a.events.Put(event.Event{Time: now, Kind: event.KindFailure, Reason: why, Detail: err.Error() + "; this is tried again until it is done"})
	a.around.Undone(err)
	a.Wake()
}
