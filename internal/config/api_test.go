package config

import (
	"net/netip"
	"testing"
)

func TestAPI(t *testing.T) {
	c := loaded(t, "sallyport.toml", doors(aDoor)+"\n[api]\nlisten='[2001:db8::1]:9478'\ntoken_file='/t'\ntls_cert='/c'\ntls_key='/k'")
	if want := (API{netip.MustParseAddrPort("[2001:db8::1]:9478"), "/t", "/c", "/k"}); c.API != want {
		t.Errorf("%+v, want %+v", c.API, want)
	}
	if c := loaded(t, "sallyport.toml", doors(aDoor)+"\n[api]\nlisten='127.0.0.1:9478'\ntoken_file='/t'"); !c.API.Listen.IsValid() {
		t.Errorf("%+v", c.API)
	}
	for text, want := range map[string]string{
		"token_file='/t'":                                         `:2: api: listen is missing: the other keys mean nothing without it`,
		"listen='127.0.0.1:1'":                                    `:2: api: token_file is missing: anyone who asks must show what it holds`,
		"listen='192.0.2.1:1', token_file='/t'":                   `:2: api: listen: without TLS the token could be overheard: set tls_cert and tls_key, or listen on a loopback address`,
		"listen='127.0.0.1:1', token_file='/t', tls_cert='/c'":    `:2: api: tls_cert and tls_key go together: set both`,
		"listen='/run/x.sock', token_file='/t'":                   `:2: api: listen: the path of a socket has no use here: the control socket does more`,
		"listen='localhost:1', token_file='/t'":                   `:2: api: listen = "localhost:1": want an address and a port, such as "127.0.0.1:9477", or the absolute path of a socket` + "\n" + main + `:2: api: listen is missing: the other keys mean nothing without it`,
		"listen='127.0.0.1:1', token_file='/t', password='guess'": `:2: api: unknown key "password": want listen, tls_cert, tls_key or token_file`,
	} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\napi={"+text+"}"), main+want)
	}
}
