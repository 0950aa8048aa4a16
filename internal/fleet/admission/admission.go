// Package admission is how a gate comes into a fleet. An operator makes an Invitation, by
// which the gate knows the servers of the store and a head of the roll: so it cannot be led
// into another fleet, nor into the past of this one. The gate answers with a Request, which
// lies in the store and is signed with the invitation's key and with the gate's own. An
// operator who has the invitation knows by it that the request is from where it was
// carried, and signs the gate into the roll.
package admission

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/wire"
)

// Invitation is handed to a new gate. until it has been used, who has it can ask to be
// that gate.
type Invitation struct {
	Gate      string
	Groups    []string
	Endpoints []string // servers of the store, host:port
	CA        []byte   // certificates that they show, PEM; empty: on loopback only
	Fleet     roll.Hash
	Head      roll.Head
	Until     time.Time // whole seconds
	Seed      []byte    // of the invitation's Ed25519 key
}

const (
	prefix = "sallyport-fleet-v1:"
	check  = 4

	// MaxText bounds what is read of an invitation, and MaxRequest of a request.
	MaxText    = 64 << 10
	MaxRequest = 16 << 10

	maxCA     = 32 << 10
	maxGroups = 64
	maxHosts  = 16
	// MaxValid is how long an invitation can be used at most.
	MaxValid = 7 * 24 * time.Hour
)

// Text returns the invitation as one word.
func (i *Invitation) Text() string {
	var w wire.Writer
	texts := func(list []string) {
		w.U8(byte(len(list)))
		for _, s := range list {
			w.Text(s)
		}
	}
	w.Text(i.Gate)
	texts(i.Groups)
	texts(i.Endpoints)
	w.Text(string(i.CA))
	w.Raw(i.Fleet[:])
	w.U64(i.Head.Number)
	w.Raw(i.Head.Hash[:])
	w.U64(uint64(i.Until.Unix()))
	w.Raw(i.Seed)
	sum := sha256.Sum256(append([]byte(prefix), w.Out...))
	return prefix + base64.RawURLEncoding.EncodeToString(append(w.Out, sum[:check]...))
}

// ErrNone says that a text is no invitation.
var ErrNone = errors.New("this is no invitation of a gate, or a part of it is missing: copy the whole word, " + prefix + " and what follows it")

// Parse reads what Text writes.
func Parse(text string) (*Invitation, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok || len(text) > MaxText {
		return nil, ErrNone
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(b) < check {
		return nil, ErrNone
	}
	r := &wire.Reader{Rest: b[:len(b)-check]}
	i := &Invitation{Gate: r.Text(MaxText), Groups: texts(r, maxGroups), Endpoints: texts(r, maxHosts), CA: []byte(r.Text(MaxText))}
	copy(i.Fleet[:], r.Raw(len(i.Fleet)))
	i.Head.Number = r.U64()
	copy(i.Head.Hash[:], r.Raw(len(i.Head.Hash)))
	i.Until = time.Unix(int64(r.U64()), 0)
	i.Seed = slices.Clone(r.Raw(ed25519.SeedSize))
	if !r.Done() || i.Text() != prefix+body {
		return nil, ErrNone
	}
	if !config.ValidName(i.Gate) || len(i.Endpoints) == 0 || len(i.CA) > maxCA {
		return nil, ErrNone
	}
	for _, e := range i.Endpoints {
		if err := CheckEndpoint(e, len(i.CA) == 0); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// CheckEndpoint refuses what is no server of the store. Without certificates it has to be
// on this host: who reaches it would not be proved.
func CheckEndpoint(text string, without bool) error {
	const want = `want host and port, such as "etcd1.example.org:2379" or "[2001:db8::1]:2379"`
	if a, err := netip.ParseAddrPort(text); err == nil && a.Port() != 0 && a.Addr().Zone() == "" && a.String() == text {
		if without && !a.Addr().IsLoopback() {
			return fmt.Errorf("%s is not on this host, and without certificates who reaches it is not proved", text)
		}
		return nil
	}
	at := strings.LastIndexByte(text, ':')
	host, port := text[:max(at, 0)], text[at+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || len(host) > 253 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Trim(host, "0123456789.") == "" {
		return fmt.Errorf("%.80q is no server of etcd: %s", text, want)
	}
	if without {
		return fmt.Errorf("%s needs certificates: without them who reaches it is not proved", text)
	}
	return nil
}

// Key returns the key of the invitation.
func (i *Invitation) Key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(i.Seed) }

// texts reads a list, whose length is in one byte.
func texts(r *wire.Reader, most int) (list []string) {
	n := int(r.U8())
	r.Bad = r.Bad || n > most
	for ; n > 0 && !r.Bad; n-- {
		list = append(list, r.Text(MaxText))
	}
	return list
}

// Request asks for a place in the roll.
type Request struct {
	Fleet   roll.Hash
	Gate    roll.Gate
	Replace bool              // the gate is in the roll, and wants other keys
	Voucher ed25519.PublicKey // of the invitation; of a gate that changes its keys, the old one

}

const requestLabel = "sallyport fleet request v1\x00"

// Sign returns the request as it lies in the store, signed with the gate's key and with
// that of the invitation, or, for a gate that changes its keys, with its old one.
func (q *Request) Sign(gate, voucher ed25519.PrivateKey) ([]byte, error) {
	e := roll.Entry{Changes: []roll.Change{roll.GateAdd{Gate: q.Gate}}}
	if q.Replace {
		e.Changes[0] = roll.GateReplace{Gate: q.Gate}
	}
	e.Prev, e.Signer, e.At = q.Fleet, roll.Hash(voucher.Public().(ed25519.PublicKey)), time.Unix(0, 0)
	text := e.Marshal()
	if len(text)+2*ed25519.SignatureSize > MaxRequest {
		return nil, fmt.Errorf("the request has %d bytes, which is too much: leave out addresses or groups", len(text))
	}
	signed := append([]byte(requestLabel), text...)
	return slices.Concat(text, ed25519.Sign(gate, signed), ed25519.Sign(voucher, signed)), nil
}

var errRequest = errors.New("this is no request of a gate, or it is damaged")

// ParseRequest reads what Sign writes. The gate has its key, and the one that vouches
// vouches; whether that one counts is for the caller to judge.
func ParseRequest(text []byte) (*Request, error) {
	at := len(text) - 2*ed25519.SignatureSize
	if len(text) > MaxRequest || at <= 0 {
		return nil, errRequest
	}
	e, err := roll.Parse(text[:at])
	if err != nil || len(e.Changes) != 1 || e.Number != 0 {
		return nil, errRequest
	}
	q := &Request{Fleet: e.Prev, Voucher: ed25519.PublicKey(slices.Clone(e.Signer[:]))}
	switch c := e.Changes[0].(type) {
	case roll.GateAdd:
		q.Gate = c.Gate
	case roll.GateReplace:
		q.Gate, q.Replace = c.Gate, true
	default:
		return nil, errRequest
	}
	signed := append([]byte(requestLabel), text[:at]...)
	if !ed25519.Verify(q.Gate.Key, signed, text[at:at+ed25519.SignatureSize]) || !ed25519.Verify(q.Voucher, signed, text[at+ed25519.SignatureSize:]) {
		return nil, errRequest
	}
	return q, nil
}

// Change returns what an operator signs.
func (q *Request) Change() roll.Change {
	if q.Replace {
		return roll.GateReplace{Gate: q.Gate}
	}
	return roll.GateAdd{Gate: q.Gate}
}
