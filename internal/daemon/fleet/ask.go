//go:build linux

package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/daemon/actor"
	"sallyport/internal/event"
	"sallyport/internal/fleet/follow"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/store"
	"sallyport/internal/gate"
	"sallyport/internal/phrase"
)

// askFor is how long a decision waits for etcd.
const askFor = time.Second

// errPutBack says that etcd may have forgotten what was used.
var errPutBack = errors.New("etcd was put back, and may have forgotten it")

// errUsed says that another gate with this address has had it.
var errUsed = errors.New("another gate with this address has opened by it")

// Asking returns what asks etcd before anything that opens only once opens, for gates that
// have one address together; nil: this one has its own.
func (f *Fleet) Asking() func(gate.Decision, func(gate.Decision)) {
	if f == nil || f.config.Address == "" {
		return nil
	}
	return f.Ask
}

// alone reports whether what a decision uses is known to one gate alone: which one-time
// sequences have opened, and which packets of fwknop's clients.
func alone(d gate.Decision) bool {
	_, _, step := stepOf(d)
	return d.Record.Sequence != nil && !step || d.Reason == event.ByFwknop
}

// noteAlone names what opens nothing at gates that have one address together.
func (f *Fleet) noteAlone(cfg *config.Config) {
	if f.config.Address == "" {
		return
	}
	var what []string
	if cfg.SPA.FwknopPort != 0 {
		what = append(what, "clients of fwknop (fwknop_port)")
	}
	for _, d := range cfg.Doors {
		if d.SequencesFile != "" {
			what = append(what, fmt.Sprintf("the one-time sequences of door %q", d.Name))
		}
	}
	if len(what) == 0 {
		f.Problems.Clear(subjectAlone)
		return
	}
	f.Problems.Note(subjectAlone, phrase.Some(what, manyBad)+" open nothing: this gate has its address together with others (address in [fleet]), and what they have used is known to one gate alone")
}

// Ask writes in etcd that what a decision uses is used, if no other gate has, and hands on
// the decision as it is then. It does not wait.
func (f *Fleet) Ask(d gate.Decision, then func(gate.Decision)) {
	if alone(d) {
		f.Decided(time.Now(), refusal(d, event.NoRecord, "what opens once is known to one gate alone, and this one has its address together with others"))
		return
	}
	select {
	case f.asking <- struct{}{}:
	default:
		f.Decided(time.Now(), refusal(d, event.NoRecord, "too many decisions wait for etcd"))
		return
	}
	go func() {
		d := f.answered(d)
		then(d) // there is room for as many as may ask
		<-f.asking
	}()
}

func refusal(d gate.Decision, why event.Reason, detail string) gate.Decision {
	d.Kind, d.Reason, d.Detail, d.Grants, d.Reply, d.Carried = event.KindRefusal, why, detail, nil, nil, nil
	return d
}

// answered is what a decision has become once etcd has been asked.
func (f *Fleet) answered(d gate.Decision) gate.Decision {
	err := f.used(d)
	switch {
	case errors.Is(err, errUsed):
		return refusal(d, event.Replayed, err.Error())
	case err != nil && !d.Bound: // what names its address is worth nothing from another
		return refusal(d, event.NoRecord, "whether another gate with this address has opened by it is not known: "+err.Error())
	case !still(f.InForce(), d):
		return refusal(d, event.NotOpened, "the configuration has changed meanwhile")
	}
	return d
}

// still reports whether the client of a decision may still have what was decided.
func still(cfg *config.Config, d gate.Decision) bool {
	if d.Client == "" {
		return true
	}
	at := slices.IndexFunc(cfg.Clients, func(c config.Client) bool { return c.Name == d.Client })
	return at >= 0 && !slices.ContainsFunc(d.Grants, func(g event.Grant) bool { return !slices.Contains(cfg.Clients[at].Doors, g.Door) })
}

// used writes in etcd that what a decision uses up is used. An attempt whose outcome is not
// known is made again: that this gate has written it is a success, too.
func (f *Fleet) used(d gate.Decision) error {
	ctx, stop := context.WithTimeout(context.Background(), askFor)
	defer stop()
	s := f.reached.Load()
	if s == nil {
		return store.ErrUnreachable
	}
	if until := f.refuseUntil.Load(); until != nil && stamped(d).Before(*until) {
		return errPutBack
	}
	known := f.seen()
	var attempt [16]byte
	_, _ = rand.Read(attempt[:]) // never fails
	value := fmt.Appendf(nil, "%s %x %s", f.gate, attempt, d.Source)
	for {
		var err error
		if name, step, is := stepOf(d); is {
			err = f.useStep(ctx, *s, known, name, step, value)
		} else {
			err = f.useMessage(ctx, *s, known, d, value)
		}
		if err == nil || errors.Is(err, errUsed) || errors.Is(err, errPutBack) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// seen is what etcd was when it was heard of last.
func (f *Fleet) seen() (known store.Seen) {
	f.look(func(v *follow.View) { known = v.Seen })
	return known
}

// agree reports whether an answer is of the etcd that was known before the question. A
// connection outlives servers that are started again with other data, and the answer may
// be here before the watch has noticed.
func agree(known, answer store.Seen) error {
	if known != (store.Seen{}) && (answer.Cluster != known.Cluster || answer.Revision < known.Revision) {
		return errPutBack
	}
	return nil
}

// stamped is when what a decision uses was made, as far as that is known.
func stamped(d gate.Decision) time.Time {
	if d.Record.Message != nil {
		return d.Record.Message.Stamped()
	}
	return time.Now()
}

func stepOf(d gate.Decision) (name [16]byte, step int64, ok bool) {
	if d.Record.Sequence == nil {
		return name, 0, false
	}
	return d.Record.Sequence.IsStep()
}

// useMessage writes a message down, if nobody has.
func (f *Fleet) useMessage(ctx context.Context, s store.Store, known store.Seen, d gate.Decision, value []byte) error {
	sum := sha256.Sum256(append([]byte("sallyport used message v1\x00"+d.Client+"\x00"), d.Message[:]...))
	at := record.UsedMessageKey(f.config.Address, [16]byte(sum[:]))
	lease, err := f.usedLease(ctx, s)
	if err != nil {
		return err
	}
	o, err := s.Commit(ctx, []store.If{{Key: at}}, []store.Write{{Key: at, Value: value, Lease: lease}})
	if errors.Is(err, store.ErrNoLease) {
		f.dropLease(lease)
	}
	if err == nil {
		err = agree(known, o.Seen)
	}
	if err != nil || o.Done {
		return err
	}
	return mine(o.Found, value)
}

// mine reports nil if what was found is what this attempt has written.
func mine(found []store.Record, value []byte) error {
	if len(found) == 1 && slices.Equal(found[0].Value, value) {
		return nil
	}
	return errUsed
}

// useStep writes a step down, if none that is as late is there.
func (f *Fleet) useStep(ctx context.Context, s store.Store, known store.Seen, name [16]byte, step int64, value []byte) error {
	at := record.UsedStepKey(f.config.Address, name)
	value = append(binary.BigEndian.AppendUint64(nil, uint64(step)), value...)
	page, err := s.Read(ctx, store.Query{Prefix: at, Most: 1})
	if err == nil {
		err = agree(known, page.Seen)
	}
	if err != nil {
		return err
	}
	condition := store.If{Key: at}
	if len(page.Records) == 1 {
		last := page.Records[0]
		if slices.Equal(last.Value, value) {
			return nil
		}
		if len(last.Value) < 8 || int64(binary.BigEndian.Uint64(last.Value)) >= step {
			return errUsed
		}
		condition.Revision = last.Revision
	}
	o, err := s.Commit(ctx, []store.If{condition}, []store.Write{{Key: at, Value: value}})
	if err == nil {
		err = agree(known, o.Seen)
	}
	if err == nil && !o.Done {
		err = errors.New("another gate was faster") // which is looked at again
	}
	return err
}

// usedLease returns a lease under which used messages lie for longer than any of them can
// be sent again: twice the largest window and ten minutes.
func (f *Fleet) usedLease(ctx context.Context, s store.Store) (store.Lease, error) {
	f.leasing.Lock()
	defer f.leasing.Unlock()
	if f.message.lease != 0 && f.message.of == s && time.Since(f.message.made) < usedLeaseFor {
		return f.message.lease, nil
	}
	l, err := s.Lease(ctx, 2*f.InForce().SPA.Window()+10*time.Minute+usedLeaseFor)
	if err == nil {
		f.message = leased{l, s, time.Now()}
	}
	return l, err
}

// usedLeaseFor is for how long records are put under one lease.
const usedLeaseFor = 5 * time.Minute

type leased struct {
	lease store.Lease
	of    store.Store
	made  time.Time
}

func (f *Fleet) dropLease(l store.Lease) {
	f.leasing.Lock()
	defer f.leasing.Unlock()
	if f.message.lease == l {
		f.message = leased{}
	}
}

// mostAsking bounds the decisions that wait for etcd.
const mostAsking = actor.MostAsked
