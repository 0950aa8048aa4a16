package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

const editable = `# What we guard.
[gate]
policy = "doors"

[[door]]   # the way in
name  = "ssh"
# Do not tell.
sequence = [ # of three
  "tcp/7000", # "[[door]]"
  "udp/8000",
  "tcp/9000",
] # for Bob = 7

ports = ["tcp/22"]   # sshd

# The second one.
[[door]]
name = "db # \"x\""
sequence = ["tcp/1", "udp/2"]`

func TestEdit(t *testing.T) {
	for name, c := range map[string]struct {
		line     int
		settings []Setting
		want     string // editable, with these changes: "old=>new" each
		changes  []string
	}{
		"nothing": {5, nil, "", nil},
		"over several lines": {5, []Setting{{"sequence", `["tcp/5", "udp/6"]`}}, "", []string{
			"sequence = [ # of three\n  \"tcp/7000\", # \"[[door]]\"\n  \"udp/8000\",\n  \"tcp/9000\",\n] # for Bob = 7\n", "sequence = [\"tcp/5\", \"udp/6\"] # for Bob = 7\n"}},
		"new keys after": {5, []Setting{{"name", `"ssh"`}, {"changed", "2026-11-01"}, {"single", "true"}}, "", []string{
			"name  = \"ssh\"\n", "name  = \"ssh\"\nchanged = 2026-11-01\nsingle = true\n"}},
		"removed":                {5, []Setting{{"ports", ""}, {"colour", ""}}, "", []string{"\nports = [\"tcp/22\"]   # sshd\n", "\n"}},
		"a comment that is none": {17, []Setting{{"name", `"web"`}}, "", []string{`"db # \"x\""`, `"web"`}},
		"at the end":             {17, []Setting{{"changed", "2026-11-01"}}, "", []string{`["tcp/1", "udp/2"]`, "[\"tcp/1\", \"udp/2\"]\nchanged = 2026-11-01\n"}},
		"a comment that stays":   {5, []Setting{{"ports", `["tcp/23"]`}}, "", []string{`["tcp/22"]   # sshd`, `["tcp/23"] # sshd`}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Edit([]byte(editable), c.line, c.settings...)
			if err != nil {
				t.Fatal(err)
			}
			want := editable
			for i := 0; i < len(c.changes); i += 2 {
				if !strings.Contains(want, c.changes[i]) {
					t.Fatalf("%q is not in the file", c.changes[i])
				}
				want = strings.Replace(want, c.changes[i], c.changes[i+1], 1)
			}
			if d := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(string(got), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNotEditable(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"in a line":    {`door = [{name="a"}]`, 1},
		"no such line": {"[[door]]", 2},
		"line 0":       {"[[door]]", 0},
		"without end":  {"[[door]]\nsequence = [", 1},
	} {
		if got, err := Edit([]byte(c.text), c.line, Setting{"name", `"x"`}); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// FuzzEdit: setting a key changes that key and nothing else.
func FuzzEdit(f *testing.F) {
	f.Add(editable, 5)
	f.Add(editable, 17)
	f.Add("[[door]]\r\nname = \"a\" # b\r\n\r\n[x]\n", 1)
	f.Add("[[door]]\nx = '''\n[[door]]\n# y\n'''\ny.z = 1\n[[door.a]]\nb = 1", 1)
	f.Fuzz(func(t *testing.T, text string, line int) {
		var before, after map[string]any
		if len(text) > 2000 || toml.Unmarshal([]byte(text), &before) != nil {
			return
		}
		edited, err := Edit([]byte(text), line, Setting{"new_key", `"new"`})
		if err != nil {
			return
		}
		if err := toml.Unmarshal(edited, &after); err != nil {
			return // a key that is not one of a table: the whole is checked before it is written
		}
		again, err := Edit(edited, line, Setting{"new_key", ""})
		if err != nil {
			t.Fatal(err)
		}
		var restored map[string]any
		if err := toml.Unmarshal(again, &restored); err != nil {
			t.Fatalf("%v\n%q", err, again)
		}
		if had := strings.Contains(text, "new_key"); !had && !cmp.Equal(before, restored) {
			t.Fatalf("%q became %q", text, again)
		}
	})
}

func TestSectionsAreEdited(t *testing.T) {
	text := []byte("[spa]\nport = 1\n[gate] # here\npolicy = \"all\" # strict\n[[door]]\nname = \"x\"\n")
	line := Section(text, "gate")
	if line != 3 || Section(text, "door") != 0 || Section(text, "journal") != 0 {
		t.Fatalf("gate at line %d", line)
	}
	got, err := Edit(text, line, Setting{"policy", `"doors"`}, Setting{"closed", `"drop"`})
	if err != nil {
		t.Fatal(err)
	}
	if want := "[spa]\nport = 1\n[gate] # here\npolicy = \"doors\" # strict\nclosed = \"drop\"\n[[door]]\nname = \"x\"\n"; string(got) != want {
		t.Errorf("%s", got)
	}
	if v, ok, err := Value(text, line, "policy"); v != `"all"` || !ok || err != nil {
		t.Errorf("%q, %v, %v", v, ok, err)
	}
	if got, err := RemoveTable(text, 5); err != nil || string(got) != "[spa]\nport = 1\n[gate] # here\npolicy = \"all\" # strict\n" {
		t.Errorf("%s, %v", got, err)
	}
}
