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
	"sallyport/internal/replay"
	"sallyport/internal/replay/disk"
	"sallyport/internal/spa"
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

// ServerKey reads the server key, and makes one at the first start.
func ServerKey(cfg *config.Config, put func(event.Event)) (ring key.Keyring, made bool, err error) {
	ring, err = keyfile.Load(cfg.SPA.ServerKey)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	if ring, err = keyfile.Create(cfg.SPA.ServerKey, key.Hybrid); err != nil {
		return ring, false, err
	}
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
			refused = fmt.Sprintf("stamped before now, and for %s after", cfg.SPA.Window())
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
	datagram, err := to.Message.SealAck(reply)
	if err != nil {
		return err
	}
	return m.sender.Send(to.From, to.To, to.In, datagram)
}

// Filter is the part of the capture filter for messages.
func Filter(cfg *config.Config, ring key.Keyring) capture.Filter {
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
