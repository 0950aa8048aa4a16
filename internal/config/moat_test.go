package config

import (
	"slices"
	"testing"
)

func TestMoat(t *testing.T) {
	for text, want := range map[string]Moat{
		"": {Mode: MoatAuto},
		"moat = {mode='generic', interfaces=['eth0','wan.7']}": {MoatGeneric, []string{"eth0", "wan.7"}},
		"moat.mode = 'off'":    {Mode: MoatOff},
		"moat.mode = 'native'": {Mode: MoatNative},
	} {
		got := loaded(t, "sallyport.toml", doors(aDoor)+"\n"+text).Moat
		if got.Mode != want.Mode || !slices.Equal(got.Interfaces, want.Interfaces) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	for text, want := range map[string]string{
		"moat.mode = 'driver'":          `:2: moat: mode = "driver": want "auto" or "native" or "generic" or "off"`,
		"moat.interfaces = ['lo']":      `:2: moat: interfaces: "lo" is never gated: remove it`,
		"moat.interfaces = ['a','a']":   `:2: moat: interfaces: "a" is listed twice`,
		"moat.interface = ['eth0']":     `:2: moat: unknown key "interface": did you mean "interfaces"?`,
		"moat.interfaces = ['a b']":     `:2: moat: interfaces: "a b" is not the name of an interface: want 1 to 15 characters other than spaces and / : * + @`,
		"moat.interfaces = ['../eth0']": `:2: moat: interfaces: "../eth0" is not the name of an interface: want 1 to 15 characters other than spaces and / : * + @`,
	} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\n"+text), main+want)
	}
}
