package config

import (
	"testing"

	"sallyport/internal/key"
)

func TestSTUN(t *testing.T) {
	const door = `door=[{name="ssh", ports=["tcp/22"]}]` + "\n"
	spa := func(more string) string { return "spa={port=40321, " + more + "}\n" }
	client := func(more string) string {
		return `client=[{name="a", doors=["ssh"], ` + more + "}]\n"
	}
	c := loaded(t, "sallyport.toml", spa("stun=true")+door+client(`key="`+aKey+`", stun=true, suites=["x25519"]`))
	if !c.SPA.STUN || !c.Clients[0].STUN || !c.TakesSTUN() || c.Clients[0].MayUse(key.Hybrid) || !c.Clients[0].MayUse(key.X25519) {
		t.Errorf("%+v", c.Clients[0])
	}
	c = loaded(t, "sallyport.toml", spa("stun=true")+door+client(`key="`+aKey+`"`))
	if !c.TakesSTUN() || c.Clients[0].STUN || !c.Clients[0].MayUse(key.Hybrid) {
		t.Error("STUN is not taken, or from a client that may not send it")
	}
	const passkey = "passkey-es256 AyJoHpiKc1tkP5MoJaCs3kg6JH6JhBC9+mAJG6uZ7okT https://knock.example.org"
	c = loaded(t, "sallyport.toml", spa("stun=true")+door+client(`key="`+passkey+`", stun=true`))
	if c.Clients[0].Key.Type() != "passkey-es256" || OnSecurityKey(c.Clients[0].Key) {
		t.Error("a passkey is not one, or counts as a key in hardware")
	}
	for _, bad := range []struct{ toml, want string }{
		{spa("stun=true, require_bound=true") + door, ":1: spa: stun and require_bound exclude each other: messages of browsers are never bound, as a page does not know its address"},
		{"spa={stun=true}\n" + door, ":1: spa: stun means nothing without a port: set port, or remove it"},
		{"spa={port=6666, stun=true}\n" + door, ":1: spa: port = 6666: browsers send nothing to this port: want another one with stun"},
		{spa("ack=true") + door + client(`key="`+aKey+`", stun=true`), `:3: client "a": stun means nothing without stun = true in [spa]: set it there, or remove it here`},
		{spa("stun=true") + door + client(`rotating="`+secretA+`", stun=true`), `:3: client "a": stun means nothing without a key: remove it, or add a key`},
		{spa("stun=true") + door + client(`key="`+aKey+`", stun=true, suites=["mlkem768-x25519"]`), `:3: client "a": suites leaves out "x25519", which all messages in STUN have: add it, or remove stun`},
		{spa("stun=true") + door + client(`key="`+passkey+`"`), `:3: client "a": key: a passkey can knock from a browser only: set stun = true, here and in [spa]`},
		{spa("stun=true") + door + client(`key="`+passkey+`:443", stun=true`), `:3: client "a": key: the origin "https://knock.example.org:443" is none: want that of the page as browsers write it, such as https://knock.example.org or https://knock.example.org:8443`},
		{spa("stun=true") + door + client(`key="`+passkey+`", stun=true, suites=["mlkem768-x25519"]`), `:3: client "a": suites leaves out "x25519", which all messages in STUN have: add it, or remove stun`},
		{spa("stun=true") + door + client(`key="`+aKey+`", suites=["rot13"]`), `:3: client "a": suites: unknown suite "rot13": want mlkem768-x25519 or x25519`},
		{door + client(`rotating="`+secretA+`", suites=["x25519"]`), `:2: client "a": suites means nothing without a key, since only messages have one: remove it, or add a key`},
	} {
		t.Run("", func(t *testing.T) { refuses(t, tree("sallyport.toml", bad.toml), main+bad.want) })
	}
}
