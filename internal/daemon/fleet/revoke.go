//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/wire"
	"sallyport/internal/phrase"
)

// maxQueue bounds what waits for etcd.
const maxQueue = 10_000

// Knows reports whether a client is one of the fleet's.
func (f *Fleet) Knows(client string) (known bool) {
	if f != nil {
		f.look(func(v *follow.View) { _, known = v.Roll.Clients[client] })
	}
	return known
}

// Revoke keeps a client of the fleet out, here at once and at the other gates as soon as
// etcd has taken it. When it returns nil, etcd has taken it, or it is on the disk.
func (f *Fleet) Revoke(ctx context.Context, client, by string) error {
	if !f.joined() {
		return errors.New("this gate belongs to no fleet")
	}
	f.mu.Lock()
	rev, err := f.revocation(client, by)
	if err == nil {
		err = f.enqueue(rev)
	}
	if err == nil {
		at := record.RevokedKey(f.gate, client)
		_, _, err = f.view.Take(at, record.Sign(f.signs(), f.view.Roll.Fleet, at, rev))
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	poke(f.again) // at the same time as it is done here
	return errors.Join(f.enact(ctx), f.keepQueue())
}

// revocation is the record that revokes a client. It holds mu.
func (f *Fleet) revocation(client, by string) (rev record.Revocation, err error) {
	if f.view == nil {
		return rev, errors.New("nothing is known of the fleet yet: etcd has not been reached since this gate joined")
	}
	_, there := f.view.Roll.Clients[client]
	switch {
	case !there:
		return rev, fmt.Errorf("there is no client %q in the fleet", client)
	case f.view.IsOperator(client):
		return rev, fmt.Errorf("client %q has the key of an operator, whom another operator alone can revoke", client)
	case !f.view.Key().Equal(f.signs().Public()):
		return rev, fmt.Errorf("the roll does not know gate %s by its key, so no other gate would believe it", f.gate)
	}
	return record.Revocation{Client: client, UpTo: f.view.Roll.Head.Number, At: time.Now().UTC().Truncate(time.Millisecond), By: short(by)}, nil
}

// short is what fits into a record.
func short(by string) string {
	const most = 64
	if len(by) > most {
		by = by[:most]
	}
	for i := range by {
		if by[i] < ' ' || by[i] > '~' {
			return "?"
		}
	}
	return by
}

// enqueue adds to what waits for etcd. It holds mu.
func (f *Fleet) enqueue(rev record.Revocation) error {
	queue := slices.DeleteFunc(slices.Clone(f.queue), func(r record.Revocation) bool { return r.Client == rev.Client })
	if len(queue) >= maxQueue {
		return fmt.Errorf("%s wait for etcd already", phrase.Count(len(queue), "revocation"))
	}
	f.queue = append(queue, rev)
	return nil
}

// keepQueue has the disk say what waits for etcd. What etcd takes at once never gets
// there.
func (f *Fleet) keepQueue() error {
	f.disk.Lock()
	defer f.disk.Unlock()
	f.mu.Lock()
	queue := f.queue
	f.mu.Unlock()
	f.noteQueue(len(queue))
	if slices.Equal(queue, f.onDisk) {
		return nil
	}
	var w wire.Writer
	for _, r := range queue {
		record.Append(&w, r)
	}
	if err := f.folder.Seal(f.signs(), kept.QueueName, w.Out); err != nil {
		return fmt.Errorf("keep the revocation until etcd has taken it: %w", err)
	}
	f.onDisk = queue
	return nil
}

func (f *Fleet) noteQueue(n int) {
	if n == 0 {
		f.Problems.Clear(subjectQueue)
		return
	}
	f.Problems.Note(subjectQueue, phrase.Count(n, "revocation")+" of this gate: the other gates have not heard of it, since etcd has not taken it; this is tried again until it is done")
}

// recallQueue reads what waited for etcd before this start, and has it hold here.
func (f *Fleet) recallQueue() error {
	text, err := f.folder.Open(f.signs(), kept.QueueName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r := wire.Reader{Rest: text}
	for err == nil && len(r.Rest) > 0 {
		rev, ok := record.Next(&r).(record.Revocation)
		if !ok || r.Bad {
			err = errors.New("it is damaged")
			break
		}
		f.queue = append(f.queue, rev)
		at := record.RevokedKey(f.gate, rev.Client)
		if f.view != nil { // what was known may be older than the revocation
			_, _, _ = f.view.Take(at, record.Sign(f.signs(), f.view.Roll.Fleet, at, rev))
		}
	}
	if err != nil {
		return fmt.Errorf("revocations that waited for etcd cannot be read: %w", err)
	}
	f.onDisk = f.queue
	f.noteQueue(len(f.queue))
	return nil
}

// flushing has etcd take what waits for it.
func (f *Fleet) flushing(ctx context.Context, s store.Store) error {
	var wait store.Backoff
	for {
		next, err := f.flush(ctx, s)
		again := time.After(time.Hour)
		if err != nil {
			again = time.After(wait.Next())
		} else if wait.Reset(); next {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.again:
		case <-again:
		}
	}
}

// flush has etcd take one revocation, and reports whether there are more.
func (f *Fleet) flush(ctx context.Context, s store.Store) (more bool, err error) {
	var first record.Revocation
	var fleet roll.Hash
	f.look(func(v *follow.View) {
		if more = len(f.queue) > 0; more {
			first, fleet = f.queue[0], v.Roll.Fleet
		}
	})
	if !more {
		return false, nil
	}
	at := record.RevokedKey(f.gate, first.Client)
	if _, err := s.Commit(ctx, nil, []store.Write{{Key: at, Value: record.Sign(f.signs(), fleet, at, first)}}); err != nil {
		return true, err
	}
	f.mu.Lock()
	f.queue = slices.DeleteFunc(slices.Clone(f.queue), func(r record.Revocation) bool { return r == first })
	f.mu.Unlock()
	return true, f.keepQueue() // if it fails, it is said once more after a restart
}

// Taken waits until etcd has taken all that this gate has revoked, and reports whether it
// has.
func (f *Fleet) Taken(ctx context.Context, within time.Duration) bool {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for f.Waiting() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-every.C:
		}
	}
	return true
}

// Waiting returns how many revocations etcd has not taken yet.
func (f *Fleet) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue)
}
