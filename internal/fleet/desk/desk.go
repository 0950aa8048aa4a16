// Package desk is where an operator of a fleet works: it reads the roll, has the operator
// sign what changes, adds it, and sees at how many gates it is in force.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
	"sallyport/internal/fleet/store/etcd"
)

// Desk is the roll of a fleet, and who reads it.
type Desk struct {
	Folder Folder
	File   File
	Store  store.Store
	View   *archive.View
	Certs  []certs.Cert // of this operator
}

// Connect reaches the store that a file names.
func Connect(file File) (store.Store, []certs.Cert, error) {
	config, list, err := certs.Load(file.Certs())
	if err != nil {
		return nil, nil, err
	}
	s, err := etcd.Open(etcd.Options{Endpoints: file.Endpoints, TLS: config})
	if err != nil {
		return nil, nil, err
	}
	return s, list, nil
}

// Open reads the roll from where it was read last.
func (f Folder) Open(ctx context.Context) (*Desk, error) {
	file, err := f.Read()
	if err != nil {
		return nil, err
	}
	s, list, err := Connect(file)
	if err != nil {
		return nil, err
	}
	d := &Desk{Folder: f, File: file, Store: s, Certs: list}
	if err := d.load(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}

// Sit is Open with a store that is there already.
func (f Folder) Sit(ctx context.Context, s store.Store) (*Desk, error) {
	d := &Desk{Folder: f, Store: s}
	return d, d.load(ctx)
}

// Close leaves the store.
func (d *Desk) Close() error { return d.Store.Close() }

// load reads on, and keeps how far.
func (d *Desk) load(ctx context.Context) error {
	pin, err := d.Folder.Pin()
	if err != nil {
		return err
	}
	var known *roll.State
	if d.View != nil {
		known = d.View.State
	}
	v, err := archive.Load(ctx, d.Store, known, pin.Head)
	if err != nil {
		return fmt.Errorf("read the roll: %w", err)
	}
	if v.Fleet != pin.Fleet {
		return fmt.Errorf("read the roll: this is another fleet than before: %w", roll.ErrFork)
	}
	if d.View != nil {
		v.Entries, v.Whole = append(d.View.Entries, v.Entries...), d.View.Whole
	}
	d.View = v
	return d.keep()
}

// keep keeps how far the roll was read, and the entries: a store that has lost them gets
// them back from there. The entries come first, so that they are never behind the pin.
func (d *Desk) keep() error {
	if err := d.Folder.setCopy(d.View.Whole, d.View.Entries); err != nil {
		return err
	}
	return d.Folder.SetPin(Pin{d.View.Fleet, d.View.Head})
}

// Restore puts what was read of the roll back into a store that has lost it, and returns
// how many entries that were.
func (f Folder) Restore(ctx context.Context, s store.Store) (int, error) {
	pin, err := f.Pin()
	if err != nil {
		return 0, err
	}
	whole, entries, err := f.copied(pin.Head.Number)
	if err != nil {
		return 0, err
	}
	return archive.Restore(ctx, s, pin.Head, whole, entries)
}

// Found founds a fleet, and keeps where it is.
func (f Folder) Found(ctx context.Context, s store.Store, file File, e *roll.Entry) error {
	state, err := roll.Found(e)
	if err != nil {
		return err
	}
	if err := archive.Found(ctx, s, e); err != nil {
		return err
	}
	if err := f.setCopy(nil, []*roll.Entry{e}); err != nil {
		return err
	}
	if err := f.SetPin(Pin{state.Fleet, state.Head}); err != nil {
		return err
	}
	return f.Write(file)
}

// tries is how often other operators may be faster.
const tries = 5

// Change has an operator sign changes, and adds them to the roll: as one entry, or as few
// as they fit in. Where a checkpoint is due, it is signed before. It returns the last
// entry's place.
func (d *Desk) Change(ctx context.Context, signer ssh.Signer, changes ...roll.Change) (roll.Head, error) {
	for lost := 0; len(changes) > 0; {
		part, due := changes[:fit(changes)], d.View.DueCheckpoint()
		if due {
			part = []roll.Change{d.View.State.Checkpoint()}
		}
		e := d.View.State.New(signer.PublicKey(), time.Now(), part...)
		if err := d.View.State.Check(e); err != nil {
			return d.View.Head, err
		}
		if err := e.Sign(signer); err != nil {
			return d.View.Head, fmt.Errorf("sign entry %d: %w", e.Number, err)
		}
		err := d.add(ctx, e)
		switch {
		case errors.Is(err, archive.ErrLost) && lost < tries:
			lost++
		case err != nil:
			return d.View.Head, err
		case !due:
			changes = changes[len(part):]
		}
	}
	return d.View.Head, nil
}

// add adds an entry. Where the store has not said what became of it, the roll does.
func (d *Desk) add(ctx context.Context, e *roll.Entry) error {
	err := d.View.Append(ctx, d.Store, e)
	if err == nil {
		return d.keep()
	}
	if again := d.load(ctx); again != nil {
		return fmt.Errorf("%w; whether it was added is not known: sallyport fleet status shows it", err)
	}
	if d.View.Head == e.Head() {
		return nil
	}
	return err
}

// fit returns how many changes go into one entry, at least one. Half of what an entry may
// have is left for what stands around them.
func fit(changes []roll.Change) int {
	size := 0
	for i, c := range changes {
		if size += len((&roll.Entry{Changes: []roll.Change{c}}).Marshal()); i > 0 && (size > roll.MaxEntry/2 || i == roll.MaxChanges) {
			return i
		}
	}
	return len(changes)
}

// Stranger reports whether a key is no operator's.
func (d *Desk) Stranger(k ssh.PublicKey) bool {
	return d.View.SignedBy(&roll.Entry{Signer: roll.ID(k)}) == ""
}
