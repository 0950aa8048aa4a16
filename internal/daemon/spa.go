//go:build linux

package daemon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/ack"
	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/event"
	"sallyport/internal/fwknop"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spa"
)

// secrets is what the daemon keeps for SPA. It is opened once, when a
// configuration first turns SPA on, and kept until the end.
type secrets struct {
	files  *disk.Dir
	store  *replay.Store
	guard  *replay.Guard
	sender *ack.Sender
	seed   [2]uint64
}

// prepareSPA makes what the gate needs for the SPA part of a configuration. The
// server key is read each time, so that a reload takes a rotated one into use.
func (d *Daemon) prepareSPA(_ context.Context, c *change) (step, error) {
	if len(c.to.SPA.Ports()) == 0 {
		return step{commit: func() { d.keys = key.Keyring{} }}, nil
	}
	ring, made, err := d.serverKey(c.to)
	if err != nil {
		return step{}, err
	}
	var done step
	s := d.secrets.Load()
	if s == nil {
		if s, err = d.openSecrets(c.to, made); err != nil {
			return step{}, err
		}
		done.abort = func() { _ = s.close() } // nobody has used it
	}
	c.spa = gate.SPA{Keys: ring, Guard: s.guard, Seed: s.seed}
	done.commit = func() {
		before := d.keys
		d.secrets.Store(s)
		d.keys = ring
		d.tellKeys(before)
	}
	return done, nil
}

// serverKey reads the server key, and makes one at the first start.
func (d *Daemon) serverKey(cfg *config.Config) (ring key.Keyring, made bool, err error) {
	ring, err = keyfile.Load(cfg.SPA.ServerKey)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	if ring, err = keyfile.Create(cfg.SPA.ServerKey, key.Hybrid); err != nil {
		return ring, false, err
	}
	d.events.Put(event.Event{Time: time.Now(), Kind: event.KindKey, Detail: "made the server key " + ring.Current().Public().Fingerprint()})
	return ring, true, nil
}

// tellKeys tells that the server key is another one than before.
func (d *Daemon) tellKeys(before key.Keyring) {
	if before.Current().IsZero() || d.keys.Current().IsZero() {
		return
	}
	was, is := before.Current().Public().Fingerprint(), d.keys.Current().Public().Fingerprint()
	if was != is {
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindKey, Detail: fmt.Sprintf("the server key is %s from now on; it was %s", is, was)})
	}
}

// openSecrets opens the replay guard and the socket for acknowledgements.
func (d *Daemon) openSecrets(cfg *config.Config, made bool) (*secrets, error) {
	if err := os.MkdirAll(cfg.Daemon.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state_dir: %w", err)
	}
	s := &secrets{}
	var err error
	if s.files, err = disk.Open(filepath.Join(cfg.Daemon.StateDir, "replay")); err != nil {
		return nil, err
	}
	if made {
		// A key that is new has no messages to be replayed.
		if err := replay.Create(s.files); err != nil && !errors.Is(err, fs.ErrExist) {
			d.log.Warn("prepare the replay store", "error", err)
		}
	}
	var notices []replay.Notice
	s.store, s.guard, notices = replay.Open(s.files, boot.ID(), cfg.SPA.Window(), time.Now())
	for _, n := range notices {
		refused := "stamped up to a minute after the last one that it had"
		if n.Trouble == replay.Lost {
			refused = fmt.Sprintf("stamped before now, and for %s after", cfg.SPA.Window())
		}
		text := fmt.Sprintf("the replay store is %s: messages %s are refused (%s)", n.Trouble, refused, n.Detail)
		d.problems.Note("replay", text)
		d.events.Put(event.Event{Time: time.Now(), Kind: event.KindFailure, Detail: text})
	}
	if s.sender, err = d.system.answers(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.seed = [2]uint64{binary.NativeEndian.Uint64(seed[:8]), binary.NativeEndian.Uint64(seed[8:])}
	return s, nil
}

func (s *secrets) close() error {
	if s == nil {
		return nil
	}
	err := errors.Join(s.store.Close(), s.files.Close())
	if s.sender != nil {
		err = errors.Join(err, s.sender.Close())
	}
	return err
}

// recorder is the daemon's, on this machine's disk.
type recorder struct{ d *Daemon }

// Record implements actor.Recorder.
func (r recorder) Record(what gate.Record) error {
	if what.Message != nil {
		return r.d.secrets.Load().store.Append(*what.Message)
	}
	return r.d.memory.Load().store.Write(*what.Sequence)
}

// answer sends an acknowledgement, if the configuration allows any.
func (d *Daemon) answer(to *gate.Reply, reply spa.Ack) error {
	if !d.config.Load().SPA.Ack {
		return nil
	}
	datagram, err := to.Message.SealAck(reply)
	if err != nil {
		return err
	}
	return d.secrets.Load().sender.Send(to.From, to.To, to.In, datagram)
}

// messagesOf is the part of the capture filter for messages.
func messagesOf(cfg *config.Config, ring key.Keyring) capture.Filter {
	return capture.Filter{SPAPort: cfg.SPA.Port, SPALengths: spaLengths(ring),
		FwknopPort: cfg.SPA.FwknopPort, FwknopLengths: []capture.Span{{First: fwknop.MinLength, Last: fwknop.MaxLength}}}
}

// spaLengths are the lengths that messages to these keys can have.
func spaLengths(ring key.Keyring) []capture.Span {
	var list []capture.Span
	add := func(p key.Private) {
		if p.IsZero() {
			return
		}
		for _, s := range spa.Lengths(p.Public().Suite()) {
			list = append(list, capture.Span(s))
		}
	}
	add(ring.Current())
	previous, _ := ring.Previous()
	add(previous)
	return list
}
