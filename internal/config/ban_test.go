package config

import (
	"reflect"
	"testing"
	"time"

	"sallyport/internal/packet"
)

func TestBan(t *testing.T) {
	for _, c := range []struct {
		toml string
		want Ban
	}{
		{"#", Ban{For: time.Hour, Tries: 3}},
		{"[ban]\nenabled=true\nfor='24h'\ntries=1\ndecoys=['tcp/23', 'tcp/2222']",
			Ban{Enabled: true, For: 24 * time.Hour, Tries: 1, Decoys: []packet.Port{{Proto: packet.TCP, Number: 23}, {Proto: packet.TCP, Number: 2222}}}},
	} {
		if got := loaded(t, "sallyport.toml", c.toml).Ban; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, want %+v", c.toml, got, c.want)
		}
	}
	for _, c := range []struct{ toml, want string }{
		{"ban.for='30s'", `:1: ban: for = "30s": want 1m to 30d`},
		{"ban.tries=0", `:1: ban: tries = 0: want a number, 1 to 100`},
		{"ban.decoys=['udp/23']", `:1: ban: decoys: "udp/23" is not a TCP port: anybody can forge the source of a datagram`},
		{"ban.decoys=['tcp/22']\n" + doors(aDoor), `:1: ban: decoys: tcp/22 belongs to door "ssh": want ports that nobody honest uses`},
		{"ban.decoys=['tcp/23']\ngate.policy='all'", `:1: ban: decoys: tcp/23 is closed by policy "all", so that nobody falls for it: add it to public in [gate]`},
		{"ban.decoys=['tcp/7000']\n[[door]]\nname='ssh'\nports=['tcp/22']\nsequence=['tcp/7000','tcp/9000','tcp/8000']",
			`:1: ban: decoys: tcp/7000 is a knock of door "ssh" (sequence): anyone who knocks would be banned`},
		{"ban.bans=1", `:1: ban: unknown key "bans": want decoys, enabled, for or tries`},
	} {
		refuses(t, tree("sallyport.toml", c.toml), main+c.want)
	}
}
