//go:build linux

package daemon

import (
	"fmt"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/fwknop"
)

// Who gets in with fwknop is counted, as long as the configuration has it.
func TestFwknopIsCounted(t *testing.T) {
	key, err := fwknop.NewKey([]byte("a test vector"), []byte("another one"), fwknop.CBC, fwknop.DefaultDigest)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Clients: []config.Client{{Name: "alice"}, {Name: "carol", Fwknop: key}, {Name: "bob", Fwknop: key}}}
	var f foreign
	f.configure(cfg)
	at := time.Unix(1e9, 0).UTC()
	for _, e := range []event.Event{
		{Time: at, Kind: event.KindGrant, Reason: event.ByFwknop, Client: "carol"},
		{Time: at.Add(time.Second), Kind: event.KindGrant, Reason: event.ByFwknop, Client: "carol"},
		{Time: at, Kind: event.KindGrant, Reason: event.BySPA, Client: "bob"},
		{Time: at, Kind: event.KindRefusal, Reason: event.ByFwknop, Client: "bob"},
		{Time: at, Kind: event.KindGrant, Reason: event.ByFwknop, Client: "removed"},
	} {
		f.heard(e)
	}
	f.configure(cfg)
	if got, want := fmt.Sprint(f.list()), fmt.Sprintf("[{bob 0 %s} {carol 2 %s}]", time.Time{}, at.Add(time.Second)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cfg.Clients[1].Fwknop = nil
	f.configure(cfg)
	if got := f.list(); len(got) != 1 {
		t.Errorf("after the move: %v", got)
	}
}
