// Package record is what gates of a fleet say to each other in etcd: how they are, whom
// they have revoked, whom they have banned. Each record is signed by the gate that writes
// it, together with its fleet and the key under which it lies, so that none can be shown
// in the place of another. What it is worth is for the reader to judge: a gate that has
// been taken over signs what it likes, within the few things that a gate can say.
package record

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/internal/config"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/wire"
)

// Bounds on what hostile bytes can cost.
const (
	MaxRecord = 4096
	MaxBeat   = 256

	maxName    = 32
	maxVersion = 32
	maxBy      = 64
	maxAddress = 39
)

// Record is one of the types below.
type Record interface {
	kind() byte
	write(*wire.Writer)
	// fits reports whether the record may lie under a key, behind the gate's name.
	fits(rest string) bool
}

// Numbers of the kinds. They are part of the format.
const (
	kindBeat       = 1
	kindRevocation = 2
	kindBan        = 3
	kindGrant      = 4
)

// Beat is how a gate is. It lies under a lease: a gate that is gone has none.
type Beat struct {
	At       time.Time // by the gate's clock
	Head     roll.Head // what of the roll is in force there
	Version  string
	Doors    [8]byte // hash of what the doors are called that clients use
	Started  time.Time
	Problems uint16
	Behind   bool // it gives nothing new to clients of the fleet
}

// Revocation keeps a client of the fleet out, at every gate, and ends its connections. It holds for a client that
// the roll has added, or has let in again, up to the entry UpTo: so no gate can keep out
// whom operators have let in since.
type Revocation struct {
	Client string
	UpTo   uint64
	At     time.Time
	By     string // who has ordered it, for people
}

// Ban keeps a source out for a time.
type Ban struct {
	Source netip.Prefix
	At     time.Time
	Until  time.Time
	Why    string
}

// Grant is what a gate has given to a client at a door that other gates open, too. It
// carries what the client has signed, for them to judge.
type Grant struct {
	ID      [16]byte // by chance
	Client  string
	Door    string
	Source  netip.Addr
	At      time.Time // by the gate's clock
	Until   time.Time
	Message string // see spa.Carried
}

func (Grant) kind() byte      { return kindGrant }
func (Beat) kind() byte       { return kindBeat }
func (Revocation) kind() byte { return kindRevocation }
func (Ban) kind() byte        { return kindBan }

func (Beat) fits(rest string) bool { return rest == "" }
func (v Revocation) fits(rest string) bool {
	return rest == revoked+"/"+v.Client
}
func (b Ban) fits(rest string) bool {
	return rest == banned+"/"+strings.ReplaceAll(b.Source.String(), "/", "_")
}

func (g Grant) fits(rest string) bool { return rest == granted+"/"+hex.EncodeToString(g.ID[:]) }

func (g Grant) write(w *wire.Writer) {
	w.Raw(g.ID[:])
	w.Text(g.Client)
	w.Text(g.Door)
	w.Text(g.Source.String())
	w.Time(g.At)
	w.Time(g.Until)
	w.Text(g.Message)
}

func readGrant(r *wire.Reader) Record {
	var g Grant
	copy(g.ID[:], r.Raw(len(g.ID)))
	g.Client, g.Door = r.Text(maxName), r.Text(maxName)
	source := r.Text(maxAddress)
	var err error
	g.Source, err = netip.ParseAddr(source)
	g.At, g.Until, g.Message = r.Time(), r.Time(), r.Text(MaxRecord)
	r.Bad = r.Bad || err != nil || g.Source.String() != source || g.Source.Zone() != "" || g.Source.Is4In6() || !config.ValidName(g.Client) || !config.ValidName(g.Door)
	return g
}

func (b Beat) write(w *wire.Writer) {
	w.Time(b.At)
	w.U64(b.Head.Number)
	w.Raw(b.Head.Hash[:])
	w.Text(b.Version)
	w.Raw(b.Doors[:])
	w.Time(b.Started)
	w.U16(b.Problems)
	w.Flag(b.Behind)
}

func readBeat(r *wire.Reader) Record {
	b := Beat{At: r.Time()}
	b.Head.Number = r.U64()
	copy(b.Head.Hash[:], r.Raw(len(b.Head.Hash)))
	b.Version = r.Text(maxVersion)
	copy(b.Doors[:], r.Raw(len(b.Doors)))
	b.Started, b.Problems, b.Behind = r.Time(), r.U16(), r.Flag()
	r.Bad = r.Bad || !label(b.Version)
	return b
}

func (v Revocation) write(w *wire.Writer) {
	w.Text(v.Client)
	w.U64(v.UpTo)
	w.Time(v.At)
	w.Text(v.By)
}

func readRevocation(r *wire.Reader) Record {
	v := Revocation{Client: r.Text(maxName), UpTo: r.U64(), At: r.Time(), By: r.Text(maxBy)}
	r.Bad = r.Bad || !config.ValidName(v.Client) || !label(v.By)
	return v
}

func (b Ban) write(w *wire.Writer) {
	w.Prefix(b.Source)
	w.Time(b.At)
	w.Time(b.Until)
	w.Text(b.Why)
}

func readBan(r *wire.Reader) Record {
	b := Ban{Source: r.Prefix(), At: r.Time(), Until: r.Time(), Why: r.Text(maxBy)}
	r.Bad = r.Bad || !label(b.Why)
	return b
}

// label reports whether a text can be shown.
func label(text string) bool { return utf8.ValidString(text) && config.ValidLabel(text) }

// Append writes a record without a signature, for what a gate keeps itself.
func Append(w *wire.Writer, r Record) {
	w.U8(r.kind())
	r.write(w)
}

// Next reads what Append has written; nil: it is none.
func Next(r *wire.Reader) Record { return read(r.U8(), r) }

const (
	magic   = "sallyport gate record v1\x00"
	version = 1
)

// signed is what a gate signs: the record in its place.
func signed(fleet roll.Hash, key string, body []byte) []byte {
	w := wire.Writer{Out: []byte(magic)}
	w.Raw(fleet[:])
	w.Text(key)
	w.Raw(body)
	return w.Out
}

// Sign returns the value that goes under a key.
func Sign(gate ed25519.PrivateKey, fleet roll.Hash, key string, r Record) []byte {
	w := wire.Writer{Out: []byte{version, r.kind()}}
	r.write(&w)
	return append(w.Out, ed25519.Sign(gate, signed(fleet, key, w.Out))...)
}

// Signer returns the name of the gate that has to have signed what lies under a key.
func Signer(key string) (gate string, ok bool) {
	gate, _, ok = gateOf(key)
	return gate, ok
}

var errDamaged = errors.New("it is no record of a gate, or it is damaged")

// Open reads what Sign has written for that key, and nothing else.
func Open(gate ed25519.PublicKey, fleet roll.Hash, key string, value []byte) (Record, error) {
	_, rest, ok := gateOf(key)
	if !ok || len(value) > MaxRecord || len(value) < 2+ed25519.SignatureSize || len(gate) != ed25519.PublicKeySize {
		return nil, errDamaged
	}
	body, signature := value[:len(value)-ed25519.SignatureSize], value[len(value)-ed25519.SignatureSize:]
	if body[0] != version {
		return nil, fmt.Errorf("it is of version %d, and this program knows version %d", body[0], version)
	}
	if !ed25519.Verify(gate, signed(fleet, key, body), signature) {
		return nil, errors.New("the gate whose it would be has not signed it")
	}
	r := wire.Reader{Rest: body[2:]}
	found := read(body[1], &r)
	if found == nil || !r.Done() || !found.fits(rest) || len(value) > MaxBeat && found.kind() == kindBeat {
		return nil, errDamaged
	}
	again := wire.Writer{Out: []byte{version, found.kind()}}
	if found.write(&again); !slices.Equal(again.Out, body) {
		return nil, errDamaged
	}
	return found, nil
}

func read(kind byte, r *wire.Reader) Record {
	switch kind {
	case kindBeat:
		return readBeat(r)
	case kindRevocation:
		return readRevocation(r)
	case kindBan:
		return readBan(r)
	case kindGrant:
		return readGrant(r)
	}
	return nil
}
