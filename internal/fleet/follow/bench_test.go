package follow

import (
	"testing"

	"sallyport/internal/config"
	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/roll/rolltest"
	"sallyport/internal/packet"
)

// many is what a gate knows of a fleet with 10,000 clients, and a configuration.
func many(b *testing.B) (*View, *config.Config) {
	f := rolltest.New(b)
	g, _, _ := rolltest.Gate(b, "tokyo")
	f.Append(roll.GateAdd{Gate: g})
	list := rolltest.Clients(b, 10_000)
	for len(list) > 0 {
		n := min(len(list), 2000)
		f.Append(list[:n]...)
		list = list[n:]
	}
	return New("tokyo", f.State), &config.Config{Daemon: config.Daemon{StateDir: "/x"}, SPA: config.SPA{Port: 1}, Doors: []config.Door{{Name: "ssh", Ports: packet.MustPorts("tcp/22")}}}
}

func BenchmarkLayer(b *testing.B) {
	v, cfg := many(b)
	for b.Loop() {
		if over, _ := v.Over(cfg, noSecret); len(over.Clients) != 10_000 {
			b.Fatal(len(over.Clients))
		}
	}
}

func BenchmarkKept(b *testing.B) {
	v, _ := many(b)
	for b.Loop() {
		b.SetBytes(int64(len(v.Marshal())))
	}
}

func BenchmarkRevocation(b *testing.B) {
	v, _ := many(b)
	for i := 0; b.Loop(); i++ {
		v.revoke(Revoked{record.Revocation{Client: "client-77", UpTo: v.Roll.Head.Number}, "tokyo"})
		delete(v.revoked, "client-77")
	}
}
