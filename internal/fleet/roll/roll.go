// Package roll is the law of a fleet: which operators, gates and clients there are, as the
// operators have signed it.
//
// The roll is a numbered chain. Entry n holds the hash of entry n-1 and the changes that
// it makes, and is signed with the SSH key of an operator. It counts only if the operators
// in force at n-1 name its signer. Entry 0, which founds the fleet, holds the recovery key
// and the first operators. Every thousandth entry is a checkpoint: it holds nothing but
// the hash of the whole State, so that what is older can be deleted, and what is missing
// in it is gone.
//
// Nothing here asks where an entry came from. It may have been written by anybody, and be
// shown again, late, or not at all: State.Apply takes the next entry of the chain that it
// is in, or nothing.
//
// The forms of all this, byte by byte, are in docs/PROTOCOL.md, section 17.
package roll

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/sshauth"
)

// Bounds on what hostile bytes can cost. An entry goes into one request to etcd, which
// takes 1.5 MiB.
const (
	MaxEntry   = 1 << 20
	MaxChanges = 10_000 // of an entry
	Interval   = 1000   // an entry whose number is a multiple of it is a checkpoint

	maxProof = 1024
)

// Hash is a SHA-256. That of an entry covers all of it but the signature, of which there
// can be many.
type Hash [sha256.Size]byte

// String is what people compare.
func (h Hash) String() string { return "SHA256:" + base64.RawStdEncoding.EncodeToString(h[:]) }

// Head is a place in the chain: the number and the hash of an entry. Who knows the head
// knows all that is before it.
type Head struct {
	Number uint64
	Hash   Hash
}

func (h Head) String() string { return fmt.Sprintf("entry %d (%s)", h.Number, h.Hash) }

// Entry is a link of the chain.
type Entry struct {
	Number  uint64
	Prev    Hash      // of the entry before; in entry 0 a random value, so that no two fleets are alike
	At      time.Time // whole seconds, by the clock of the signer: for people, nothing is decided by it
	Signer  Hash      // SHA-256 of the signer's key in SSH wire form
	Changes []Change  // at least one
	Proof   []byte    // signature of an SSH key in its raw form: see package sshauth
}

// ID is how an entry names its signer.
func ID(key ssh.PublicKey) Hash { return sha256.Sum256(key.Marshal()) }

const (
	magic     = "sallyport roll v1\x00"
	hashLabel = "sallyport roll entry v1\x00"
)

// Body is what is hashed and signed.
func (e *Entry) Body() []byte {
	w := writerOf([]byte(magic))
	w.U64(e.Number)
	w.Raw(e.Prev[:])
	w.U64(uint64(e.At.Unix()))
	w.Raw(e.Signer[:])
	w.U16(uint16(len(e.Changes)))
	for _, c := range e.Changes {
		w.U8(byte(c.kind()))
		at := len(w.Out)
		w.U32(0)
		c.encode(&w)
		length := writer{}
		length.U32(uint32(len(w.Out) - at - 4))
		copy(w.Out[at:], length.Out)
	}
	return w.Out
}

// Head returns the place of the entry.
func (e *Entry) Head() Head {
	return Head{e.Number, sha256.Sum256(append([]byte(hashLabel), e.Body()...))}
}

// Marshal returns the entry as it is stored.
func (e *Entry) Marshal() []byte {
	w := writerOf(e.Body())
	w.Text(string(e.Proof))
	return w.Out
}

// errDamaged says no more, since who has written it is not known.
var errDamaged = errors.New("this is no entry of a roll, or it is damaged")

// Parse reads what Marshal writes, and nothing else. Whether the entry counts is another
// question.
func Parse(text []byte) (*Entry, error) {
	if len(text) > MaxEntry {
		return nil, fmt.Errorf("the entry has %d bytes: want at most %d", len(text), MaxEntry)
	}
	r := readerOf(text)
	if string(r.Raw(len(magic))) != magic {
		return nil, errDamaged
	}
	e := &Entry{Number: r.U64(), Prev: r.hash()}
	at := r.U64()
	e.Signer = r.hash()
	for n := r.count(MaxChanges); n > 0 && !r.Bad; n-- {
		kind := Kind(r.U8())
		part := readerOf(r.Raw(int(r.U32())))
		if r.Bad {
			break
		}
		c, err := parseChange(kind, &part)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Number, err)
		}
		e.Changes = append(e.Changes, c)
	}
	proof := r.text()
	if r.Bad || len(r.Rest) > 0 || len(e.Changes) == 0 || len(proof) > maxProof || at > maxTime {
		return nil, errDamaged
	}
	e.At, e.Proof = time.Unix(int64(at), 0).UTC(), []byte(proof)
	return e, nil
}

// maxTime is the end of the year 9999.
const maxTime = 253402300799

// New returns the entry that comes next, without its signature.
func (s *State) New(signer ssh.PublicKey, at time.Time, changes ...Change) *Entry {
	return &Entry{Number: s.Head.Number + 1, Prev: s.Head.Hash, At: at.UTC().Truncate(time.Second), Signer: ID(signer), Changes: changes}
}

// Sign signs the entry. The signer may be backed by an agent, which may ask its user.
func (e *Entry) Sign(signer ssh.Signer) (err error) {
	e.Signer = ID(signer.PublicKey())
	e.Proof, err = sshauth.Roll.Sign(signer, e.Body())
	return err
}
