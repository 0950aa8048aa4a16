//go:build linux

package drill

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/drill/drilltest"
	"sallyport/internal/gate"
)

// A gate whose clock is set opens nothing twice, and one that forgets is found out.
func TestClocksThatAreSet(t *testing.T) {
	for _, text := range []string{"rotating = \"KVKFKRCPNZQUYMLXOVYDSQKJKZDTSRLD\"\n", ""} {
		cfg := loaded(t, drilltest.Gates[drilltest.Server]+text)
		for _, a := range []Attack{clockSetBack, clockSetForward} {
			if r := a.carryOut(t.Context(), Options{Config: cfg}); r.Verdict != Held {
				t.Errorf("%+v", r)
			}
		}
		p, err := take(cfg, false, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.withClock(t.TempDir(), Result{}, func(c *clocked) error {
			c.record(noonOfTheDrill)
			dir := t.TempDir()
			guard, used, err := c.open(dir+"/seen", dir+"/spent", c.SPA.Window())
			if err != nil {
				return err
			}
			c.gate = gate.New(cfgOf(t, c), gate.SPA{Keys: c.keys, Guard: guard}, gate.Host{Addresses: []netip.Addr{hereInTheDrill}}, noonOfTheDrill)
			c.gate.Remember(used, noonOfTheDrill)
			return c.again(noonOfTheDrill.Add(-time.Hour), 70*time.Minute)
		})
		if err != nil || r.Verdict != Failed {
			t.Errorf("a gate that forgets: %+v, %v", r, err)
		}
	}
}

// cfgOf is the configuration of a gate whose clock is set, read again.
func cfgOf(t *testing.T, c *clocked) *config.Config {
	t.Helper()
	path, err := c.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(os.DirFS("/"), path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
