package config

import (
	"slices"
	"testing"
	"time"
)

const fleetOn = "gate.name='tokyo'\nfleet.endpoints=['127.0.0.1:2379']\n"

func TestFleet(t *testing.T) {
	if c := loaded(t, "sallyport.toml", "# nothing\n"); c.Fleet.On() {
		t.Errorf("%+v", c.Fleet)
	}
	c := loaded(t, "sallyport.toml", `gate.name='tokyo'
[fleet]
endpoints = ["etcd1.example.org:2379", "[2001:db8::1]:2379"]
ca = "/etc/sallyport/fleet/ca.crt"
cert = "/etc/sallyport/fleet/gate.crt"
key = "/etc/sallyport/fleet/gate.key"
`)
	if f := c.Fleet; !f.On() || !slices.Equal(f.Endpoints, []string{"etcd1.example.org:2379", "[2001:db8::1]:2379"}) || f.CA != "/etc/sallyport/fleet/ca.crt" || f.Cert != "/etc/sallyport/fleet/gate.crt" || f.Key != "/etc/sallyport/fleet/gate.key" {
		t.Errorf("%+v", f)
	}
}

func TestWithoutFleet(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": DefaultWithoutFleet, "without_fleet='open'": WithoutFleetOpen, "without_fleet='closed'": WithoutFleetClosed, "without_fleet='2h'": 2 * time.Hour, "without_fleet='30d'": 30 * day,
	} {
		c := loaded(t, "sallyport.toml", fleetOn+"[[door]]\nname='ssh'\nports=['tcp/22']\n"+text+"\n")
		if got := c.Doors[0].WithoutFleet; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
