package roll_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	. "sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
)

// model is what a roll means, in the plainest way.
type model struct {
	operators, clients map[string]bool
	since              map[string]uint64
	revoked            map[string]bool
}

// Whatever operators, removed operators and strangers do, in whatever order: what counts
// is what the model says, and the state is always what its own text says.
func TestModel(t *testing.T) {
	names := []string{"a", "b", "c"}
	tokens, clients := map[string]*rolltest.Token{}, map[string]Client{}
	for _, n := range names {
		tokens[n], clients[n] = rolltest.NewToken(t), rolltest.Client(t, n)
	}
	rapid.Check(t, func(r *rapid.T) {
		f := rolltest.New(t)
		tokens["alice"] = f.Operator
		m := model{map[string]bool{"alice": true}, map[string]bool{}, map[string]uint64{}, map[string]bool{}}
		for range rapid.IntRange(1, 20).Draw(r, "steps") {
			signer := rapid.SampledFrom(append([]string{"alice"}, names...)).Draw(r, "signer")
			kind := Kind(rapid.SampledFrom([]int{2, 3, 7, 8, 9, 10, 11}).Draw(r, "kind"))
			name := rapid.SampledFrom(append([]string{"alice"}, names...)).Draw(r, "name")
			if kind >= KindClientAdd && name == "alice" {
				name = "a"
			}
			c, want := m.judge(kind, name, tokens, clients)
			want = want && m.operators[signer]
			e := f.Next(tokens[signer], c)
			before := f.Marshal()
			err := f.Apply(e)
			if (err == nil) != want {
				r.Fatalf("%v by %s: %v", c, signer, err)
			}
			if err != nil && !bytes.Equal(f.Marshal(), before) {
				r.Fatalf("%v by %s has left something behind", c, signer)
			}
			if err == nil {
				m.apply(kind, name, e.Number)
			}
			m.compare(r, f)
		}
	})
}

// judge makes a change, and reports whether it may be made.
func (m *model) judge(kind Kind, name string, tokens map[string]*rolltest.Token, clients map[string]Client) (Change, bool) {
	switch kind {
	case KindOperatorAdd:
		return OperatorAdd{Operator: rolltest.Operator(name, tokens[name])}, !m.operators[name]
	case KindOperatorRemove:
		return OperatorRemove{Name: name}, m.operators[name] && len(m.operators) > 1
	case KindClientAdd:
		return ClientAdd{Client: clients[name]}, !m.clients[name]
	case KindClientReplace:
		return ClientReplace{Client: clients[name]}, m.clients[name]
	case KindClientRemove:
		return ClientRemove{Name: name}, m.clients[name]
	case KindRevoke:
		return Revoke{Name: name}, m.clients[name]
	}
	return Unrevoke{Name: name}, m.clients[name]
}

func (m *model) apply(kind Kind, name string, n uint64) {
	switch kind {
	case KindOperatorAdd:
		m.operators[name] = true
	case KindOperatorRemove:
		delete(m.operators, name)
	case KindClientAdd:
		m.clients[name], m.since[name], m.revoked[name] = true, n, false
	case KindClientRemove:
		delete(m.clients, name)
	case KindRevoke:
		m.revoked[name] = true
	case KindUnrevoke:
		m.since[name], m.revoked[name] = n, false
	}
}

func (m *model) compare(r *rapid.T, f *rolltest.Fleet) {
	if len(f.Operators) != len(m.operators) || len(f.Clients) != len(m.clients) {
		r.Fatalf("operators %v, clients %v", f.Operators, f.Clients)
	}
	for name := range m.clients {
		if c := f.Clients[name]; c.Since != m.since[name] || c.Revoked != m.revoked[name] {
			r.Fatalf("%s: since %d, revoked %v; want %d, %v", name, c.Since, c.Revoked, m.since[name], m.revoked[name])
		}
	}
	s, err := ParseState(f.Marshal())
	if err != nil || !bytes.Equal(s.Marshal(), f.Marshal()) {
		r.Fatalf("its own text: %v", err)
	}
}

// large returns a fleet with many clients.
func large(b *testing.B, clients int) *rolltest.Fleet {
	b.Helper()
	f := rolltest.New(b)
	for part := range slices.Chunk(rolltest.Clients(b, clients), 4000) {
		f.Append(part...)
	}
	return f
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
			f := large(b, n)
			e := f.Next(f.Operator, ClientAdd{Client: rolltest.Client(b, "carol")})
			for b.Loop() {
				s := f.State.Clone()
				if err := s.Apply(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBegin is a new gate that reads 1,000 entries, over a state of 10,000 clients.
func BenchmarkBegin(b *testing.B) {
	f := large(b, 10_000)
	carol := rolltest.Client(b, "carol")
	for f.Head.Number < 2*Interval-2 {
		f.Append(ClientAdd{Client: carol})
		f.Append(ClientRemove{Name: "carol"})
	}
	for b.Loop() {
		if _, err := Begin(f.Head, f.Whole[Interval], f.Entries[Interval:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckpoint(b *testing.B) {
	f := large(b, 10_000)
	for b.Loop() {
		f.Checkpoint()
	}
}

func BenchmarkParseState(b *testing.B) {
	text := large(b, 10_000).Marshal()
	for b.Loop() {
		if _, err := ParseState(text); err != nil {
			b.Fatal(err)
		}
	}
}
