package config

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const twoDoors = `door=[{name="ssh", ports=["tcp/22"]}, {name="web", ports=["tcp/443"]}]` + "\n"

func TestGroups(t *testing.T) {
	c := loaded(t, "sallyport.toml", twoDoors+`spa.port = 40000
group=[{name="office", doors=["web","ssh"], sequence=["tcp/7000","udp/8000"], within="3s"}]
client=[{name="alice", doors=["ssh","office"], key="`+aKey+`"}]`)
	g, a := c.Group("office"), c.Clients[0]
	if g == nil || len(g.Sequence) != 2 || g.Within.Seconds() != 3 || c.Group("ssh") != nil {
		t.Errorf("group %+v", g)
	}
	if !slices.Equal(a.Doors, []string{"ssh", "web"}) || !slices.Equal(a.Groups, []string{"office"}) {
		t.Errorf("alice may open %q in groups %q", a.Doors, a.Groups)
	}
}

func TestGroupsInAuthorizedKeys(t *testing.T) {
	fsys := tree("sallyport.toml", twoDoors+`spa.authorized_keys = "/etc/keys"`+"\n"+`group=[{name="office", doors=["web","ssh"]}]`)
	fsys["etc/keys"] = &fstest.MapFile{Data: []byte(`doors="office" ` + aKey + "\n"), Mode: 0o600}
	c, err := Load(fsys, main)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Clients[0].Doors; !slices.Equal(got, []string{"web", "ssh"}) {
		t.Errorf("the client may open %q", got)
	}
}

func TestGroupsHoursAndWideningThatAreRefused(t *testing.T) {
	for toml, want := range map[string]string{
		`group=[{doors=["ssh"]}]`:                                        `group: name is missing: ` + wantName,
		`group=[{name="office"}]`:                                        `group "office": doors is missing: want at least one name of a door, such as ["ssh", "web"]`,
		`group=[{name="office", doors=[]}]`:                              `group "office": doors is missing: want at least one name of a door, such as ["ssh", "web"]`,
		`group=[{name="office", doors=["ssh","ssh"]}]`:                   `group "office": doors: "ssh" is listed twice`,
		`group=[{name="office", doors=["mail"]}]`:                        `group "office": doors: there is no door "mail"`,
		`group=[{name="ssh", doors=["web"]}]`:                            `group "ssh": there is a door of this name at ` + main + `:1: choose another name`,
		`group=[{name="a", doors=["ssh"]},{name="a", doors=["web"]}]`:    `group "a": already defined at ` + main + `:2`,
		`group=[{name="a", doors=["ssh"]},{name="b", doors=["a"]}]`:      `group "b": doors: "a" is a group: want doors only, no groups in groups`,
		`group=[{name="a", doors=["a"]}]`:                                `group "a": doors: "a" is a group: want doors only, no groups in groups`,
		`group=[{name="a", doors=["ssh"], within="3s"}]`:                 `group "a": within means nothing without a sequence: remove it, or add a sequence`,
		`group=[{name="a", doors=["ssh"], sequence=["tcp/1","tcp/2"]}]`:  `group "a": ` + wantScan,
		`group=[{name="a", doors=["ssh"], sequence=["tcp/9","tcp/22"]}]`: `group "a": sequence: tcp/22 is a port of door "ssh": ` + wantClosed,
		`group=[{name="a", doors=["ssh"], open_for="1s"}]`:               `group "a": unknown key "open_for": want doors, name, sequence or within`,
		`gate.timezone = "Mars/Olympus"`:                                 `gate: timezone = "Mars/Olympus": want the name of a time zone, such as "Europe/Berlin" or "UTC"`,
		`gate.timezone = "Local"`:                                        `gate: timezone = "Local": want the name of a time zone, such as "Europe/Berlin" or "UTC"`,
		`gate.timezone = "../../etc/passwd"`:                             `gate: timezone = "../../etc/passwd": want the name of a time zone, such as "Europe/Berlin" or "UTC"`,
	} {
		_, err := Load(tree("sallyport.toml", twoDoors+toml), main)
		if err == nil || err.Error() != main+":2: "+want {
			t.Errorf("%s\n got %v\nwant %s", toml, err, main+":2: "+want)
		}
	}
	for keys, want := range map[string]string{
		`hours=[]`:       `hours is empty, so nothing could ever be opened: want ` + wantHours + `, or no hours`,
		`hours=["8-18"]`: `hours: "8-18": "8" is no time: want ` + wantHours,
		`hours=["Mon 08:00-18:00","Mon 08:00-18:00"]`: `hours: "Mon 08:00-18:00" is listed twice`,
		`hours="Mon"`:            `hours = "Mon": want ` + wantHours,
		`widen4=8`:               `widen4 = 8: want a number, 16 to 31`,
		`widen6=128`:             `widen6 = 128: want a number, 32 to 127`,
		`widen4=24, single=true`: `widen4 means nothing with single = true, which lets nobody follow: remove one of them`,
	} {
		_, err := Load(tree("sallyport.toml", `door=[{name="ssh", ports=["tcp/22"], `+keys+`}]`), main)
		if err == nil || err.Error() != main+`:1: door "ssh": `+want {
			t.Errorf("%s\n got %v\nwant %s", keys, err, want)
		}
	}
	_, err := Load(tree("sallyport.toml", twoDoors+`client=[{name="a", doors=["ssh"], key="`+aKey+`", max_grants=0, hours=["Mon"]}]`), main)
	if err == nil || !strings.Contains(err.Error(), `client "a": max_grants = 0: want a number, 1 to 1000`) || !strings.Contains(err.Error(), `"Mon" is no time`) && !strings.Contains(err.Error(), "one time is missing") {
		t.Errorf("%v", err)
	}
}
