// Package rolltest makes fleets for tests: operators with keys, and the roll that they
// sign.
package rolltest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/fleet/roll"
	"sallyport/internal/key"
	"sallyport/internal/sequence"
)

// Token is a FIDO2 key in software: PROTOCOL.u2f of OpenSSH with a plain Ed25519 key.
type Token struct {
	Flags   byte // 1: the user is present
	public  ssh.PublicKey
	private ed25519.PrivateKey
}

// NewToken returns a token that its user touches each time.
func NewToken(t testing.TB) *Token {
	t.Helper()
	point, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	public, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type        string
		Point       []byte
		Application string
	}{ssh.KeyAlgoSKED25519, point, "ssh:"}))
	check(t, err)
	return &Token{1, public, private}
}

// PublicKey returns the key that others know.
func (k *Token) PublicKey() ssh.PublicKey { return k.public }

// Sign signs as the token would.
func (k *Token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	tail := binary.BigEndian.AppendUint32([]byte{k.Flags}, 7)
	application, digest := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	blob := append(append(application[:], tail...), digest[:]...)
	return &ssh.Signature{Format: k.public.Type(), Blob: ed25519.Sign(k.private, blob), Rest: tail}, nil
}

// Software returns a key that is no token.
func Software(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	check(t, err)
	return signer
}

// Fleet is a roll that grows.
type Fleet struct {
	*roll.State
	Entries  []*roll.Entry
	Whole    map[uint64][]byte // states by the number of their checkpoint
	Operator *Token            // the first one, alice
	Recovery ssh.Signer

	t testing.TB
}

// Moment is when everything in a test fleet is signed.
var Moment = time.Date(2031, 4, 5, 6, 7, 8, 0, time.UTC)

// New founds a fleet with one operator, alice.
func New(t testing.TB) *Fleet {
	t.Helper()
	f := &Fleet{Operator: NewToken(t), Recovery: Software(t), Whole: map[uint64][]byte{}, t: t}
	public := f.Recovery.PublicKey().(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
	e := &roll.Entry{At: Moment, Changes: []roll.Change{roll.Recovery{Key: public}, roll.OperatorAdd{Operator: Operator("alice", f.Operator)}}}
	_, err := rand.Read(e.Prev[:])
	check(t, err)
	check(t, e.Sign(f.Operator))
	f.State, err = roll.Found(e)
	check(t, err)
	f.Entries = append(f.Entries, e)
	return f
}

// Operator describes the holder of a key.
func Operator(name string, signer ssh.Signer) roll.Operator {
	k := signer.PublicKey()
	return roll.Operator{Name: name, Key: roll.KeyText(k), Software: k.Type() != ssh.KeyAlgoSKED25519}
}

// Next returns the entry that a signer would add, signed.
func (f *Fleet) Next(signer ssh.Signer, changes ...roll.Change) *roll.Entry {
	f.t.Helper()
	e := f.State.New(signer.PublicKey(), Moment, changes...)
	check(f.t, e.Sign(signer))
	return e
}

// Append has alice add an entry, after a checkpoint if one is due, and returns it.
func (f *Fleet) Append(changes ...roll.Change) *roll.Entry {
	f.t.Helper()
	if f.DueCheckpoint() {
		f.Whole[f.Head.Number+1] = f.Marshal()
		f.append(f.Next(f.Operator, f.Checkpoint()))
	}
	e := f.Next(f.Operator, changes...)
	f.append(e)
	return e
}

func (f *Fleet) append(e *roll.Entry) {
	f.t.Helper()
	check(f.t, f.Apply(e))
	f.Entries = append(f.Entries, e)
}

// Client returns a client with a new key and the door ssh.
func Client(t testing.TB, name string) roll.Client {
	t.Helper()
	return roll.Client{Name: name, Key: roll.KeyText(Software(t).PublicKey()), Doors: []string{"ssh"}}
}

// Gate returns a gate, and the private halves of its keys.
func Gate(t testing.TB, name string) (roll.Gate, ed25519.PrivateKey, []key.Private) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	g := roll.Gate{Name: name, Key: public, Port: 40321, Addresses: []string{"192.0.2.1"}, Skew: time.Minute, Shape: sequence.DefaultShape}
	var held []key.Private
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		k, err := key.Generate(suite)
		check(t, err)
		held, g.Server = append(held, k), append(g.Server, k.Public())
	}
	return g, private, held
}

// Clients returns many clients.
func Clients(t testing.TB, n int) (list []roll.Change) {
	t.Helper()
	for i := range n {
		list = append(list, roll.ClientAdd{Client: Client(t, fmt.Sprintf("client-%d", i))})
	}
	return list
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
