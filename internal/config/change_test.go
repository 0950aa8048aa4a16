package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	base := `spa.port = 40000
group=[{name="office", doors=["ssh"]}]
hook=[{on=["open"], command=["/bin/tell"]}]
client=[{name="alice", doors=["ssh"], key="` + aKey + `"}]
`
	const ssh = `door=[{name="ssh", ports=["tcp/22"], sequence=["tcp/7000","udp/8000"]}]` + "\n"
	for name, c := range map[string]struct{ from, to, want string }{
		"nothing":            {base + ssh, "\n\n" + base + ssh, ``},
		"a door":             {base + ssh, base + strings.Replace(ssh, `}]`, `},{name="web", ports=["tcp/443"]}]`, 1), `door web added []`},
		"no such door":       {base + strings.Replace(ssh, `}]`, `},{name="web", ports=["tcp/443"]}]`, 1), base + ssh, `door web removed []`},
		"ports":              {base + ssh, base + strings.Replace(ssh, `"tcp/22"`, `"tcp/22","tcp/23"`, 1), `door ssh changed [ports [tcp/22] -> [tcp/22 tcp/23]]`},
		"secrets stay so":    {base + ssh, base + strings.Replace(ssh, `udp/8000`, `udp/8001`, 1), `door ssh changed [sequence]`},
		"hours":              {base + ssh, base + strings.Replace(ssh, `}]`, `, hours=["08:00-18:00"]}]`, 1), `door ssh changed [hours]`},
		"an empty list":      {base + ssh, base + strings.Replace(ssh, `}]`, `, to=[]}]`, 1), ``},
		"a section":          {base + ssh, strings.Replace(base, "40000", "40001", 1) + ssh, `spa changed [port 40000 -> 40001]`},
		"a client":           {base + ssh, strings.Replace(base, `doors=["ssh"], key`, `doors=["office"], max_grants=2, expires=2027-01-01, key`, 1) + ssh, `client alice changed [groups expires never -> 2027-01-01 00:00:00 +0000 UTC max_grants 0 -> 2]`},
		"another client":     {base + ssh, strings.Replace(base, `"alice"`, `"bob"`, 1) + ssh, `client bob added []; client alice removed []`},
		"a group and a hook": {base + ssh, strings.NewReplacer(`"office"`, `"work"`, `/bin/tell`, `/bin/show`).Replace(base) + ssh, `group work added []; group office removed []; hooks changed []`},
		"a time zone":        {base + ssh, "gate.timezone = 'UTC'\n" + base + ssh, `gate changed [timezone]`},
		"due":                {base + ssh, "gate.rotation_due = '9d'\n" + base + ssh, `gate changed [rotation_due]`},
	} {
		var got []string
		for _, change := range Compare(loaded(t, "sallyport.toml", c.from), loaded(t, "sallyport.toml", c.to)) {
			text := change.What
			if change.Name != "" {
				text += " " + change.Name
			}
			got = append(got, text+" "+change.How+" ["+strings.Join(change.Keys, " ")+"]")
		}
		if all := strings.Join(got, "; "); all != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, all, c.want)
		}
	}
}

// Every secret is left out of what a person sees.
func TestCompareTellsNoSecret(t *testing.T) {
	from := loaded(t, "sallyport.toml", "door=[{name='ssh', ports=['tcp/22']}]")
	without := strings.NewReplacer("\nauthorized_keys", "\n#", "\nsequences_file", "\n#")
	for _, c := range Compare(from, loaded(t, "sallyport.toml", without.Replace(Reference))) {
		if text := strings.Join(c.Keys, " "); strings.Contains(text, "7000") || strings.Contains(text, "KVKF") {
			t.Errorf("%s %s tells %s", c.What, c.Name, text)
		}
	}
	var d Door
	if keys := differences(d, Door{Sequence: ports("tcp/7001"), Previous: ports("tcp/7002"), OneTime: []OneTime{{Knocks: ports("tcp/7003")}}}); !slices.Equal(keys, []string{"sequence", "sequence_previous", "sequences_file"}) {
		t.Errorf("%q", keys)
	}
}

func TestWayIn(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	source, ssh := netip.MustParseAddr("198.51.100.7"), ports("tcp/22")[0]
	const door = `door=[{name="ssh", ports=["tcp/22"]}]` + "\n"
	client := `client=[{name="alice", doors=["ssh"], key="` + aKey + `", from=["198.51.100.0/24"], expires=2026-12-01}]` + "\n"
	for name, c := range map[string]struct{ toml, want string }{
		"open":                {"#", "the port is open to everybody"},
		"public":              {"gate.policy='all'\ngate.public=['tcp/22']", "the port is open to everybody"},
		"no door":             {"gate.policy='all'", ""},
		"trusted":             {door + "gate.trusted=['198.51.100.0/28']", "the source is never gated"},
		"trusted, another":    {door + "gate.trusted=['198.51.101.0/28']", ""},
		"no way":              {door, ""},
		"a sequence":          {strings.Replace(door, "}]", `, sequence=["tcp/7000","udp/8000"]}]`, 1), `door "ssh" has a sequence`},
		"a group's sequence":  {door + `group=[{name="all", doors=["ssh"], sequence=["tcp/7000","udp/8000"]}]`, `group "all" has a sequence`},
		"a client":            {"spa.port=40000\n" + door + client, `client "alice" can open door "ssh"`},
		"a client, SPA off":   {door + client, ""},
		"a client, elsewhere": {"spa.port=40000\n" + door + strings.Replace(client, "198.51", "198.52", 1), ""},
		"a client, too late":  {"spa.port=40000\n" + door + strings.Replace(client, "2026-12", "2026-11", 1), ""},
	} {
		if got := loaded(t, "sallyport.toml", c.toml).WayIn(source, ssh, now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
