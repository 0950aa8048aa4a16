//go:build linux

// Package messages holds what a server needs for SPA beside its configuration: the
// server keys, which messages have been used, and the socket for acknowledgements.
package messages

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/ack"
	"sallyport/internal/capture"
	"sallyport/internal/config"
	"sallyport/internal/daemon/boot"
	"sallyport/internal/daemon/problems"
	"sallyport/internal/event"
	"sallyport/internal/fwknop"
	"sallyport/internal/gate"
	"sallyport/internal/key"
	"sallyport/internal/keyfile"
	"sallyport/internal/phrase"
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spa"
	"sallyport/internal/stun"
)

// Messages are opened once, when a configuration first turns SPA on, and kept until
// the end. Nil messages keep nothing.
type Messages struct {
	files  *disk.Dir
	store  *replay.Store
	guard  *replay.Guard
	sender *ack.Sender
	seed   [2]uint64
}

// Gate returns what the gate needs for messages to these keys.
func (m *Messages) Gate(ring key.Keyring) gate.SPA {
	return gate.SPA{Keys: ring, Guard: m.guard, Seed: m.seed}
}

// ServerKey reads the server keys, and makes those that are missing: one at the first
// start, and one of the suite x25519 where messages may come in STUN.
func ServerKey(cfg *config.Config, put func(event.Event)) (ring key.Keyring, made bool, err error) {
	ring, made, err = primaryKey(cfg, put)
	if _, has := ring.Of(key.X25519); err != nil || has || !cfg.SPA.STUN {
		return ring, made, err
	}
	small, err := key.Generate(key.X25519)
	if err != nil {
		return ring, made, err
	}
	ring = ring.Rotate(small, time.Time{})
	if err := keyfile.Save(cfg.SPA.ServerKey, ring); err != nil {
		return ring, made, err
	}
	put(event.Event{Time: time.Now(), Kind: event.KindKey, Detail: "made a server key for browsers " + small.Public().Fingerprint()})
	return ring, made, nil
}

// primaryKey reads the server keys, or makes the one that every server has.
func primaryKey(cfg *config.Config, put func(event.Event)) (ring key.Keyring, made bool, err error) {
	ring, err = keyfile.Load(cfg.SPA.ServerKey)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	if ring, err = keyfile.Create(cfg.SPA.ServerKey, key.Hybrid); err != nil {
		return ring, false, err
	}
	made = true
	put(event.Event{Time: time.Now(), Kind: event.KindKey, Detail: "made the server key " + ring.Current().Public().Fingerprint()})
	return ring, true, nil
}

// Around is what messages reach of the daemon.
type Around struct {
	Answers  func() (*ack.Sender, error) // opens the socket for acknowledgements
	Problems *problems.List
	Log      *slog.Logger
}

// Open opens the replay guard and the socket for acknowledgements. Made says that the
// server key is new.
func Open(cfg *config.Config, made bool, around Around) (*Messages, error) {
	if err := os.MkdirAll(cfg.Daemon.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state_dir: %w", err)
	}
	m := &Messages{}
	var err error
	if m.files, err = disk.Open(filepath.Join(cfg.Daemon.StateDir, "replay")); err != nil {
		return nil, err
	}
	if made {
		// A key that is new has no messages to be replayed.
		if err := replay.Create(m.files); err != nil && !errors.Is(err, fs.ErrExist) {
			around.Log.Warn("prepare the replay store", "error", err)
		}
	}
	var notices []replay.Notice
	m.store, m.guard, notices = replay.Open(m.files, boot.ID(), cfg.SPA.Window(), time.Now())
	for _, n := range notices {
		refused := "stamped up to a minute after the last one that it had"
		if n.Trouble == replay.Lost {
			refused = fmt.Sprintf("stamped before now, and for %s after", phrase.Duration(cfg.SPA.Window()))
		}
		text := fmt.Sprintf("the replay store is %s: messages %s are refused (%s)", n.Trouble, refused, n.Detail)
		around.Problems.Fail("replay", text)
	}
	if m.sender, err = around.Answers(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.seed = [2]uint64{binary.NativeEndian.Uint64(seed[:8]), binary.NativeEndian.Uint64(seed[8:])}
	return m, nil
}

// Close writes what is left.
func (m *Messages) Close() error {
	if m == nil {
		return nil
	}
	err := errors.Join(m.store.Close(), m.files.Close())
	if m.sender != nil {
		err = errors.Join(err, m.sender.Close())
	}
	return err
}

// Record writes down what is used now. When it returns nil that is on the disk.
func (m *Messages) Record(r replay.Record) error { return m.store.Append(r) }

// Answer sends an acknowledgement.
func (m *Messages) Answer(to *gate.Reply, reply spa.Ack) error {
	if to.STUN != nil {
		return m.answerInSTUN(to, reply)
	}
	datagram, err := to.Message.SealAck(reply)
	if err != nil {
		return err
	}
	return m.sender.Send(to.From, to.To, to.In, datagram)
}

// answerInSTUN answers a request, which says no more than that all was done.
func (m *Messages) answerInSTUN(to *gate.Reply, reply spa.Ack) error {
	if reply.Status == spa.Refused {
		return nil
	}
	if err := m.sender.Send(to.From, to.To, to.In, stun.Success(to.STUN.ID, to.To, to.STUN.Password)); err != nil {
		return err
	}
	to.STUN.Answered.CompareAndSwap(0, time.Now().UnixNano())
	return nil
}

// Filter is the part of the capture filter for messages.
func Filter(cfg *config.Config, ring key.Keyring) capture.Filter {
	return capture.Filter{SPAPort: cfg.SPA.Port, SPALengths: spaLengths(ring), SPAInSTUN: cfg.TakesSTUN(),
		FwknopPort: cfg.SPA.FwknopPort, FwknopLengths: []capture.Span{{First: fwknop.MinLength, Last: fwknop.MaxLength}}}
}

// spaLengths are the lengths that messages to these keys can have.
func spaLengths(ring key.Keyring) []capture.Span {
	var list []capture.Span
	add := func(p key.Private) {
		for _, s := range spa.Lengths(p.Public().Suite()) {
			list = append(list, capture.Span(s))
		}
	}
	for _, h := range ring.All() {
		add(h.Current)
	}
	return list
}
