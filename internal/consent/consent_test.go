package consent

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
	"sallyport/internal/packet"
)

var (
	start    = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	attacker = netip.MustParseAddr("198.51.100.2")
	stranger = netip.MustParseAddr("203.0.113.9")
)

func given(t *testing.T) (*Book, Token) {
	t.Helper()
	token := Token{Until: start.Add(time.Hour).Unix(), Ports: packet.MustPorts("tcp/22")}.Identified([RandomSize]byte{1, 2, 3})
	b := new(Book)
	if _, err := b.Give(start, token, []netip.Addr{attacker}, time.Hour); err != nil {
		t.Fatal(err)
	}
	return b, token
}

// A token is read as it was written, and not otherwise.
func TestTokens(t *testing.T) {
	_, token := given(t)
	text := token.String()
	if got, err := Parse(" " + text + "\n"); err != nil || got.String() != text {
		t.Errorf("%v: %+v", err, got)
	}
	for _, bad := range []string{"", "drill1-", text[:len(text)-1], text + "A", strings.ToLower(text), "x" + text, "drill1-" + strings.Repeat("A", 10_000)} {
		if got, err := Parse(bad); err == nil {
			t.Errorf("%.40q is read as %+v", bad, got)
		}
	}
}

func TestWhatIsMarked(t *testing.T) {
	b, token := given(t)
	for _, c := range []struct {
		name   string
		source netip.Addr
		at     time.Duration
		want   bool
	}{
		{"of the attacker", attacker, time.Minute, true},
		{"of a stranger", stranger, time.Minute, false},
		{"of nobody", netip.Addr{}, time.Minute, false},
		{"after the end", attacker, time.Hour, false},
	} {
		f := b.Finding(start.Add(c.at), event.Finding{ID: c.name, Source: c.source})
		e := b.Event(event.Event{Time: start.Add(c.at), Kind: event.KindBan, Source: c.source})
		if got := slices.Contains(f.Evidence, Mark(token.ID)); got != c.want || strings.Contains(e.Detail, Mark(token.ID)) != c.want {
			t.Errorf("%s: %+v, %+v", c.name, f, e)
		}
	}
	if e := b.Event(event.Event{Time: start, Kind: event.KindBan, Source: attacker, Reason: event.ByOperator}); e.Detail != "" {
		t.Errorf("an operator's ban is marked: %+v", e)
	}
	s, err := b.End(start.Add(2*time.Minute), token.Proof())
	if err != nil || !slices.Equal(s.Banned, []netip.Addr{attacker}) {
		t.Errorf("%v: %+v", err, s)
	}
	if f := b.Finding(start.Add(3*time.Minute), event.Finding{ID: "of the attacker", Source: attacker}); len(f.Evidence) != 1 {
		t.Errorf("a finding that goes on has lost its mark: %+v", f)
	}
}

func TestWhoseConsentItIs(t *testing.T) {
	b, token := given(t)
	other := Token{}.Identified([RandomSize]byte{9})
	for _, c := range []struct {
		name  string
		at    time.Duration
		proof []byte
		want  error
	}{
		{"the token", time.Minute, token.Proof(), nil},
		{"another token", time.Minute, other.Proof(), ErrUnknown},
		{"nothing", time.Minute, nil, ErrUnknown},
		{"the secret itself", time.Minute, token.Secret, ErrUnknown},
		{"after its end", 90 * time.Minute, token.Proof(), nil},
		{"long after", 2 * time.Hour, token.Proof(), ErrUnknown},
	} {
		if _, err := b.Prove(start.Add(c.at), c.proof); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := b.Give(start.Add(time.Minute), other, []netip.Addr{stranger}, time.Minute); !errors.Is(err, ErrInForce) {
		t.Errorf("a second consent: %v", err)
	}
	if _, err := b.End(start.Add(time.Minute), token.Proof()); err != nil {
		t.Error(err)
	}
	if _, err := b.End(start.Add(time.Minute), token.Proof()); !errors.Is(err, ErrUnknown) {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := new(Book).Prove(start, nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("without a consent: %v", err)
	}
}
