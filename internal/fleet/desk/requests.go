package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sallyport/internal/atomicfile"
	"sallyport/internal/config"
	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/store"
)

// Invite makes an invitation, and keeps it until it has been used.
func (d *Desk) Invite(gate string, groups []string, until time.Time) (*admission.Invitation, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	i := &admission.Invitation{Gate: gate, Groups: groups, Endpoints: d.File.Endpoints, Fleet: d.View.Fleet, Head: d.View.Head, Until: until.Truncate(time.Second), Seed: key.Seed()}
	if d.File.CA != "" {
		if i.CA, err = os.ReadFile(d.File.CA); err != nil {
			return nil, fmt.Errorf("read the certificates of etcd's servers: %w", err)
		}
	}
	if _, err := admission.Parse(i.Text()); err != nil {
		return nil, fmt.Errorf("make an invitation for gate %.40q: %w", gate, err)
	}
	path, err := d.Folder.invitation(gate)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.Replace(path, []byte(i.Text()+"\n"), atomicfile.Options{})
	}
	if err != nil {
		return nil, fmt.Errorf("keep the invitation: %w", err)
	}
	return i, nil
}

func (f Folder) invitation(gate string) (string, error) {
	if !config.ValidName(gate) {
		return "", fmt.Errorf("%.40q is no name of a gate", gate)
	}
	return filepath.Join(string(f), inviteName, gate), nil
}

// Invitation returns the one that is kept for a gate; nil: there is none.
func (f Folder) Invitation(gate string) *admission.Invitation {
	if !config.ValidName(gate) {
		return nil
	}
	text, err := f.read(filepath.Join(inviteName, gate))
	if err != nil {
		return nil
	}
	i, err := admission.Parse(string(text))
	if err != nil || i.Gate != gate {
		return nil
	}
	return i
}

// Uninvite forgets an invitation.
func (f Folder) Uninvite(gate string) error {
	path, err := f.invitation(gate)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// Request is what a gate asks for, and what vouches for it.
type Request struct {
	*admission.Request
	Vouched error // nil: an invitation of this operator's, or the gate's old key
	Twice   bool  // what it asks for is in the roll already
}

// maxRequests bounds what is looked at, which gates may have written that are none.
const maxRequests = 1000

// Requests returns what gates ask for. What is no request of this fleet is left out.
func (d *Desk) Requests(ctx context.Context, now time.Time) (list []Request, err error) {
	seen := 0
	_, err = store.All(ctx, d.Store, archive.JoinPrefix, 0, func(r store.Record) error {
		if seen++; seen > maxRequests {
			return fmt.Errorf("more than %d gates ask to be let in", maxRequests)
		}
		q, err := admission.ParseRequest(r.Value)
		if err != nil || q.Fleet != d.View.Fleet || archive.JoinPrefix+q.Gate.Name != r.Key {
			return nil
		}
		g, there := d.View.Gates[q.Gate.Name]
		list = append(list, Request{q, d.vouched(q, now), there && g.Key.Equal(q.Gate.Key) && slices.EqualFunc(g.Server, q.Gate.Server, sameKey) && slices.Equal(g.Addresses, q.Gate.Addresses) && g.Port == q.Gate.Port && g.Skew == q.Gate.Skew && g.Shape == q.Gate.Shape})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what gates ask for: %w", err)
	}
	return list, nil
}

// vouched says what is missing until a request can be believed.
func (d *Desk) vouched(q *admission.Request, now time.Time) error {
	g, there := d.View.Gates[q.Gate.Name]
	if there && q.Replace && g.Key.Equal(q.Voucher) {
		if !slices.Equal(g.Groups, q.Gate.Groups) {
			return fmt.Errorf("gate %q asks for other groups than it is in: %s", q.Gate.Name, strings.Join(q.Gate.Groups, ", "))
		}
		return nil
	}
	i := d.Folder.Invitation(q.Gate.Name)
	switch {
	case i == nil:
		return fmt.Errorf("there is no invitation for gate %q here", q.Gate.Name)
	case !i.Key().Public().(ed25519.PublicKey).Equal(q.Voucher):
		return fmt.Errorf("gate %q asks with another invitation than the one that is open", q.Gate.Name)
	case !now.Before(i.Until):
		return fmt.Errorf("the invitation for gate %q has ended on %s", q.Gate.Name, i.Until.Local().Format(time.DateTime))
	case i.Fleet != d.View.Fleet:
		return errors.New("the invitation is for another fleet")
	case !slices.Equal(i.Groups, q.Gate.Groups):
		return fmt.Errorf("gate %q asks for other groups than it was invited to: %s", q.Gate.Name, strings.Join(q.Gate.Groups, ", "))
	}
	return nil
}

// Changes returns what there is to sign for a request. A gate that is in the roll and
// was invited again, because its keys are lost, takes its own place.
func (d *Desk) Changes(q Request) []roll.Change {
	if _, there := d.View.Gates[q.Gate.Name]; there {
		return []roll.Change{roll.GateReplace{Gate: q.Gate}}
	}
	return []roll.Change{roll.GateAdd{Gate: q.Gate}}
}

// Done forgets a request that has been signed, here and in the store.
func (d *Desk) Done(ctx context.Context, q Request) error {
	_, err := d.Store.Commit(ctx, nil, []store.Write{{Key: archive.JoinPrefix + q.Gate.Name, Delete: true}})
	if i := d.Folder.Invitation(q.Gate.Name); i != nil {
		err = errors.Join(err, d.Folder.Uninvite(q.Gate.Name))
	}
	return err
}
