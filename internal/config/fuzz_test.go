package config

import (
	"errors"
	"strings"
	"testing"
)

// FuzzLoad: whatever the files hold, there is either a configuration that
// keeps what the types promise, or a bounded list of mistakes with places.
func FuzzLoad(f *testing.F) {
	f.Add(Reference, "")
	f.Add("[gate]\npolicy = \"all\"\npublic = [\"tcp/80\"]", doors(aDoor)+"\nclient=["+alice+"]")
	f.Add(doors(door("a", "tcp/1", "tcp/9", "tcp/5")), doors(door("b", "tcp/2", "tcp/9", "tcp/5", "tcp/7")))
	f.Add("a.b.c = [[{x = 1}]]\n[[door.x]]\n[door]", "[gate]\n[gate.x.y]")
	f.Add("gate.trusted = ['::ffff:1.2.3.4/100']", "x = \"\"\"\n\\u0000\"\"\"")
	f.Fuzz(func(t *testing.T, first, second string) {
		c, err := Load(tree("sallyport.toml", first, "conf.d/a.toml", second), main)
		if err != nil {
			var list Errors
			if c != nil || !errors.As(err, &list) || len(list) == 0 {
				t.Fatalf("configuration %v, error %v", c, err)
			}
			for _, e := range list {
				if !strings.HasPrefix(e.Place.File, dir) || e.Place.Line < 0 || len(e.Error()) > 1000 {
					t.Fatalf("mistake %v", e)
				}
			}
			return
		}
		valid(t, c)
	})
}

func valid(t *testing.T, c *Config) {
	names := make(map[string]bool)
	taken := make(map[string]bool)
	for _, d := range c.Doors {
		if d.Name == "" || names[d.Name] || len(d.Ports) == 0 || d.OpenFor <= 0 || d.Within <= 0 || len(d.Sequence) == 1 || len(d.Sequence) > maxKnocks || d.Place.Line == 0 {
			t.Fatalf("door %+v", d)
		}
		names[d.Name] = true
		for _, p := range d.Ports {
			if taken[p.String()] {
				t.Fatalf("%v belongs to two doors", p)
			}
			taken[p.String()] = true
		}
	}
	for _, cl := range c.Clients {
		if cl.Name == "" || cl.Key == nil && cl.Rotating.Current.IsZero() || len(cl.Doors) == 0 || cl.MaxOpen < 0 {
			t.Fatalf("client %+v", cl)
		}
		for _, d := range cl.Doors {
			if !names[d] {
				t.Fatalf("client %q names door %q", cl.Name, d)
			}
		}
	}
	for _, p := range c.Gate.Trusted {
		if p.Masked() != p || p.Bits() == 0 || p.Addr().Is4In6() {
			t.Fatalf("trusted %v", p)
		}
	}
}
