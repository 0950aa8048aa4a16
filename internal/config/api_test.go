package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestAPI(t *testing.T) {
	c := loaded(t, "sallyport.toml", doors(aDoor)+"\n[api]\nview=['alice', '1001']\nact=['@wheel']\nadmin=['root2']\nask=['form']\nlisten='[2001:db8::1]:9478'\ntoken_file='/t'\nview_token_file='/v'\nact_token_file='/a'\nlist_token_file='/l'\nask_token_file='/q'\ncaep_issuer='https://idp.example/'\ncaep_audience='gate'\ncaep_key_file='/j'\ntls_cert='/c'\ntls_key='/k'")
	want := API{View: []string{"alice", "1001"}, Act: []string{"@wheel"}, Admin: []string{"root2"}, Ask: []string{"form"}, Listen: netip.MustParseAddrPort("[2001:db8::1]:9478"),
		TokenFile: "/t", ViewToken: "/v", ActToken: "/a", ListToken: "/l", AskToken: "/q", CAEP: CAEP{"https://idp.example/", "gate", "/j"}, TLSCert: "/c", TLSKey: "/k"}
	if !reflect.DeepEqual(c.API, want) || !c.API.HasUsers() {
		t.Errorf("%+v, want %+v", c.API, want)
	}
	for _, good := range []string{"listen='127.0.0.1:9478'\ntoken_file='/t'", "listen='127.0.0.1:9478'\nlist_token_file='/t'"} {
		if c := loaded(t, "sallyport.toml", doors(aDoor)+"\n[api]\n"+good); !c.API.Listen.IsValid() || c.API.HasUsers() {
			t.Errorf("%+v", c.API)
		}
	}
	if c := loaded(t, "sallyport.toml", doors(aDoor)+"\n[api]\nview=['alice']"); c.API.Listen.IsValid() || !c.API.HasUsers() {
		t.Errorf("users need no listener: %+v", c.API)
	}
	const noListen = `:2: api: listen is missing: tokens and certificates mean nothing without it`
	for text, want := range map[string]string{
		"token_file='/t'":                                            noListen,
		"list_token_file='/t'":                                       noListen,
		"listen='127.0.0.1:1'":                                       `:2: api: token_file is missing: anyone who asks must show what it holds, or what another token file does`,
		"listen='192.0.2.1:1', token_file='/t'":                      `:2: api: listen: without TLS the token could be overheard: set tls_cert and tls_key, or listen on a loopback address`,
		"listen='127.0.0.1:1', token_file='/t', tls_cert='/c'":       `:2: api: tls_cert and tls_key go together: set both`,
		"listen='127.0.0.1:1', token_file='/t', act_token_file='/t'": `:2: api: act_token_file is that of token_file: each right has a token of its own`,
		"listen='/run/x.sock', token_file='/t'":                      `:2: api: listen: the path of a socket has no use here: the control socket does more`,
		"listen='localhost:1', token_file='/t'":                      `:2: api: listen = "localhost:1": want an address and a port, such as "127.0.0.1:9477", or the absolute path of a socket` + "\n" + main + noListen,
		"listen='127.0.0.1:1', token_file='/t', password='guess'":    `:2: api: unknown key "password": want act, act_token_file, admin, ask, ask_token_file, caep_audience, caep_issuer, caep_key_file, list_token_file, listen, tls_cert, tls_key, token_file, view or view_token_file`,
		"listen='127.0.0.1:1', caep_issuer='https://idp.example/'":   `:2: api: caep_issuer, caep_audience and caep_key_file go together: set all three` + "\n" + main + `:2: api: token_file is missing: anyone who asks must show what it holds, or what another token file does`,
		"listen='127.0.0.1:1', token_file='/t', caep_issuer='a b', caep_audience='x', caep_key_file='/k'": `:2: api: caep_issuer = "a b": want a text without spaces of at most 512 characters, such as "https://idp.example.com/"` + "\n" + main + `:2: api: caep_issuer, caep_audience and caep_key_file go together: set all three`,
		"view=['a b']":       `:2: api: view: want the name or number of a user, or of a group as "@name"`,
		"act=['bob', 'bob']": `:2: api: act: "bob" is listed twice`,
	} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\napi={"+text+"}"), main+want)
	}
}

// A grant is never over before those have read of it who are to let it in.
func TestPolledDoors(t *testing.T) {
	door := func(keys string) string {
		return `door=[{name="ssh", ports=["tcp/22"], sequence=["tcp/7000", "udp/8000"]` + keys + "}]"
	}
	if c := loaded(t, "sallyport.toml", door(`, polled="30s"`)); c.Doors[0].Polled != 30*time.Second {
		t.Errorf("%+v", c.Doors[0])
	}
	refuses(t, tree("sallyport.toml", door(`, polled="10s", open_for="9s"`)), main+`:1: door "ssh": polled = 10s is longer than open_for = 9s: a grant could be over before another firewall has read of it`)
	refuses(t, tree("sallyport.toml", door(`, polled="10s"`)+"\nspa.port=40000\nclient=[{name='a', doors=['ssh'], max_open='5s', key='"+aKey+"'}]"),
		main+`:3: client "a": max_open = 5s is less than polled = 10s of door "ssh": a grant could be over before another firewall has read of it`)
}
