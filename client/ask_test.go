package client_test

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"sallyport/client"
	"sallyport/internal/askcode"
	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// An ask is one message, whose code both sides have; nobody waits for an answer.
func TestAsk(t *testing.T) {
	for _, suite := range []key.Suite{key.Hybrid, key.X25519} {
		private, public := newKey(t)
		s := newServer(t, suite, public)
		writeKey(t, filepath.Join(home(t), ".ssh", "id_ed25519"), private, "")
		s.answer(func(int, *spa.Message, netip.AddrPort) [][]byte { return nil })
		for _, door := range []string{"", "attic"} {
			a, err := client.Ask(t.Context(), s.profile(), door, client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			said, err := askcode.Parse(a.Code)
			if err != nil || a.Door != door || a.Bound.IsValid() || time.Until(a.Until) > 10*time.Minute {
				t.Errorf("%+v, %v", a, err)
			}
			want := [4]byte{}
			if door != "" {
				want = spa.DoorID(door)
			}
			arrived := 0
			for deadline := time.Now().Add(30 * time.Second); arrived == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				for _, m := range s.messages() {
					if m.Header.Door != want {
						continue
					}
					arrived++
					if code, err := m.AskCode(); err != nil || !code.Equal(said) || m.Header.Op != spa.Ask || m.Header.Ack {
						t.Errorf("%+v, %v", m.Header, err)
					}
				}
			}
			if arrived == 0 {
				t.Error("nothing has arrived")
			}
		}
		if _, err := client.Ask(t.Context(), s.profile(), "no door", client.Options{}); err == nil {
			t.Error("a door of that name is asked for")
		}
	}
}
