package roll

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/sequence"
)

// Kind says what a change is.
type Kind byte

// Kinds of changes. The numbers are part of the format.
const (
	KindRecovery       Kind = 1
	KindOperatorAdd    Kind = 2
	KindOperatorRemove Kind = 3
	KindGateAdd        Kind = 4
	KindGateReplace    Kind = 5
	KindGateRemove     Kind = 6
	KindClientAdd      Kind = 7
	KindClientReplace  Kind = 8
	KindClientRemove   Kind = 9
	KindRevoke         Kind = 10
	KindUnrevoke       Kind = 11
	KindCheckpoint     Kind = 12
)

// Change is one of the types below.
type Change interface {
	kind() Kind
	encode(*writer)
	// apply makes the change in a state whose next entry is n, or says why it cannot be.
	apply(s *State, u *undo, n uint64) error
	String() string // one line for people
}

// The changes.
type (
	// Recovery names the recovery key: an Ed25519 key that is kept on paper, and may add
	// and remove operators, and nothing else.
	Recovery struct{ Key ed25519.PublicKey }

	OperatorAdd    struct{ Operator }
	OperatorRemove struct{ Name string }

	GateAdd     struct{ Gate }
	GateReplace struct{ Gate } // the whole of it: keys too
	GateRemove  struct{ Name string }

	ClientAdd     struct{ Client }
	ClientReplace struct{ Client } // leaves it revoked if it is
	ClientRemove  struct{ Name string }

	// Revoke keeps a client out until Unrevoke, or until it is removed and added again.
	Revoke struct{ Name string }
	// Unrevoke lifts what operators and gates have revoked before this entry.
	Unrevoke struct{ Name string }

	// Checkpoint names the state before the entry, whole. The size is in bytes.
	Checkpoint struct {
		Size   uint64
		Digest Hash
	}
)

func (Recovery) kind() Kind       { return KindRecovery }
func (OperatorAdd) kind() Kind    { return KindOperatorAdd }
func (OperatorRemove) kind() Kind { return KindOperatorRemove }
func (GateAdd) kind() Kind        { return KindGateAdd }
func (GateReplace) kind() Kind    { return KindGateReplace }
func (GateRemove) kind() Kind     { return KindGateRemove }
func (ClientAdd) kind() Kind      { return KindClientAdd }
func (ClientReplace) kind() Kind  { return KindClientReplace }
func (ClientRemove) kind() Kind   { return KindClientRemove }
func (Revoke) kind() Kind         { return KindRevoke }
func (Unrevoke) kind() Kind       { return KindUnrevoke }
func (Checkpoint) kind() Kind     { return KindCheckpoint }

func (c Recovery) String() string       { return "a new recovery key" }
func (c OperatorAdd) String() string    { return fmt.Sprintf("operator %q is added", c.Name) }
func (c OperatorRemove) String() string { return fmt.Sprintf("operator %q is removed", c.Name) }
func (c GateAdd) String() string        { return fmt.Sprintf("gate %q is added", c.Name) }
func (c GateReplace) String() string    { return fmt.Sprintf("gate %q is changed", c.Name) }
func (c GateRemove) String() string     { return fmt.Sprintf("gate %q is removed", c.Name) }
func (c ClientAdd) String() string {
	return fmt.Sprintf("client %q is added, for %s", c.Name, strings.Join(c.Doors, ", "))
}
func (c ClientReplace) String() string { return fmt.Sprintf("client %q is changed", c.Name) }
func (c ClientRemove) String() string  { return fmt.Sprintf("client %q is removed", c.Name) }
func (c Revoke) String() string        { return fmt.Sprintf("client %q is revoked", c.Name) }
func (c Unrevoke) String() string      { return fmt.Sprintf("client %q may knock again", c.Name) }
func (c Checkpoint) String() string    { return "a checkpoint" }

func (c Recovery) encode(w *writer)       { w.Text(string(c.Key)) }
func (c OperatorRemove) encode(w *writer) { w.Text(c.Name) }
func (c GateRemove) encode(w *writer)     { w.Text(c.Name) }
func (c ClientRemove) encode(w *writer)   { w.Text(c.Name) }
func (c Revoke) encode(w *writer)         { w.Text(c.Name) }
func (c Unrevoke) encode(w *writer)       { w.Text(c.Name) }
func (c Checkpoint) encode(w *writer)     { w.U64(c.Size); w.Raw(c.Digest[:]) }

func (o Operator) encode(w *writer) {
	w.Text(o.Name)
	w.Text(o.Key)
	w.Flag(o.Software)
}

func (r *reader) operator() (o Operator) {
	return Operator{Name: r.text(), Key: r.text(), Software: r.Flag()}
}

func (g Gate) encode(w *writer) {
	w.Text(g.Name)
	w.Text(string(g.Key))
	w.U8(byte(len(g.Server)))
	for _, k := range g.Server {
		w.Text(k.Text())
	}
	w.U16(g.Port)
	w.texts(g.Addresses)
	w.texts(g.Groups)
	w.U16(uint16(g.Skew / time.Second))
	w.U8(byte(g.Shape.Knocks))
	w.U16(g.Shape.First)
	w.U16(g.Shape.Last)
	w.Text(string(g.Shape.Protos))
}

func (r *reader) gate() (g Gate) {
	g = Gate{Name: r.text(), Key: ed25519.PublicKey(r.text())}
	for n := r.U8(); n > 0 && !r.Bad; n-- {
		k, err := key.ParsePublic(r.text())
		if err != nil {
			r.Bad = true
		}
		g.Server = append(g.Server, k)
	}
	g.Port, g.Addresses, g.Groups = r.U16(), r.texts(maxAddresses), r.texts(maxWhere)
	g.Skew = time.Duration(r.U16()) * time.Second
	g.Shape = sequence.Shape{Knocks: int(r.U8()), First: r.U16(), Last: r.U16(), Protos: sequence.Protos(r.text())}
	return g
}

func (c Client) encode(w *writer) {
	w.Text(c.Name)
	w.Text(c.Label)
	w.Text(c.Key)
	w.Raw(c.Secrets[:])
	for _, list := range [][]string{c.Doors, c.Gates, c.Groups} {
		w.texts(list)
	}
	w.prefixes(c.From)
	w.texts(c.Hours)
	var expires uint64
	if !c.Expires.IsZero() {
		expires = uint64(c.Expires.Unix())
	}
	w.U64(expires)
	w.U32(uint32(c.MaxOpen / time.Second))
	w.Flag(c.Single)
	w.Flag(c.STUN)
	w.U16(uint16(c.MaxCount))
}

func (r *reader) client() (c Client) {
	c = Client{Name: r.text(), Label: r.text(), Key: r.text(), Secrets: r.hash()}
	c.Doors, c.Gates, c.Groups = r.texts(maxDoors), r.texts(maxWhere), r.texts(maxWhere)
	c.From, c.Hours = r.prefixes(maxFrom), r.texts(maxHours)
	if expires := r.U64(); expires > maxTime {
		r.Bad = true
	} else if expires != 0 {
		c.Expires = time.Unix(int64(expires), 0).UTC()
	}
	c.MaxOpen = time.Duration(r.U32()) * time.Second
	c.Single, c.STUN, c.MaxCount = r.Flag(), r.Flag(), int(r.U16())
	return c
}

// parseChange reads the part of an entry that is a change of a kind.
func parseChange(kind Kind, r *reader) (Change, error) {
	c := r.change(kind)
	switch {
	case c == nil:
		return nil, fmt.Errorf("a change of kind %d, which this program does not know: bring it up to date", kind)
	case r.Bad || len(r.Rest) > 0:
		return nil, errDamaged
	}
	if v, ok := c.(interface{ check() error }); ok {
		if err := v.check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (r *reader) change(kind Kind) Change {
	switch kind {
	case KindRecovery:
		return Recovery{ed25519.PublicKey(r.text())}
	case KindOperatorAdd:
		return OperatorAdd{r.operator()}
	case KindOperatorRemove:
		return OperatorRemove{r.text()}
	case KindGateAdd:
		return GateAdd{r.gate()}
	case KindGateReplace:
		return GateReplace{r.gate()}
	case KindGateRemove:
		return GateRemove{r.text()}
	case KindClientAdd:
		return ClientAdd{r.client()}
	case KindClientReplace:
		return ClientReplace{r.client()}
	case KindClientRemove:
		return ClientRemove{r.text()}
	case KindRevoke:
		return Revoke{r.text()}
	case KindUnrevoke:
		return Unrevoke{r.text()}
	case KindCheckpoint:
		return Checkpoint{r.U64(), r.hash()}
	}
	return nil
}

// What is wrong by itself is refused where it is read and where it is applied.

func (c Recovery) check() error {
	if _, err := SSHKey(c.Key); err != nil {
		return fmt.Errorf("the recovery key: %w", err)
	}
	return nil
}

func (o Operator) check() error { return named("operator", o.Name, o.validate()) }
func (g Gate) check() error     { return named("gate", g.Name, g.validate()) }
func (c Client) check() error   { return named("client", c.Name, c.validate()) }

func named(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %.40q: %w", what, name, err)
}

func (c Checkpoint) check() error {
	if c.Size > MaxState {
		return errors.New("the checkpoint is larger than any state")
	}
	return nil
}
