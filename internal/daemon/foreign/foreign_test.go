//go:build linux

package foreign

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
	var f Uses
	f.Configure(cfg)
	at := time.Unix(1e9, 0).UTC()
	for _, e := range []event.Event{
		{Time: at, Kind: event.KindGrant, Reason: event.ByFwknop, Client: "carol"},
		{Time: at.Add(time.Second), Kind: event.KindGrant, Reason: event.ByFwknop, Client: "carol"},
		{Time: at, Kind: event.KindGrant, Reason: event.BySPA, Client: "bob"},
		{Time: at, Kind: event.KindRefusal, Reason: event.ByFwknop, Client: "bob"},
		{Time: at, Kind: event.KindGrant, Reason: event.ByFwknop, Client: "removed"},
	} {
		f.Heard(e)
	}
	f.Configure(cfg)
	if got, want := fmt.Sprint(f.List()), fmt.Sprintf("[{bob 0 %s} {carol 2 %s}]", time.Time{}, at.Add(time.Second)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	cfg.Clients[1].Fwknop = nil
	f.Configure(cfg)
	if got := f.List(); len(got) != 1 {
		t.Errorf("after the move: %v", got)
	}
}
