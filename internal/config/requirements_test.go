package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func requirements(text string) (*Requirements, error) {
	return LoadRequirements(fstest.MapFS{"policy.toml": {Data: []byte(text), Mode: 0o644}}, "/policy.toml")
}

const everyRequirement = `name = "Remote access, 2026"
ways = ["spa", "rotating"]
longest_grant = "10m"
least_bits = 64
oldest_secret = "90d"
longest_expiry = "365d"
require_hours = true
require_bound = true
security_keys = ["ops", "db"]
shortest_journal = "30d"
longest_journal = "400d"
review_every = "180d"
`

func TestRequirements(t *testing.T) {
	r, err := requirements(everyRequirement)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "Remote access, 2026" || !slices.Equal(r.Ways, []Way{WaySPA, WayRotating}) || r.LongestGrant != 10*time.Minute || r.LeastBits != 64 ||
		r.OldestSecret != 90*day || r.ReviewEvery != 180*day || !slices.Equal(r.SecurityKeys, []string{"ops", "db"}) {
		t.Errorf("%+v", r)
	}
	for v, i := reflect.ValueOf(*r), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s has not been read", v.Type().Field(i).Name)
		}
	}
}

func TestRequirementsThatAreRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "is empty"},
		{"# for all\nlongest_grnat = \"1h\"\n", `/policy.toml:2: unknown key "longest_grnat": did you mean "longest_grant"?`},
		{"\nways = [\"telepathy\"]\n", `/policy.toml:2: ways: "telepathy" is no way: want fwknop, one-time, rotating, spa, static or stun`},
		{"ways = []\n", "ways is empty"},
		{"longest_grant = \"25h\"\n", "want 1s to 24h"},
		{"least_bits = -1\n", "want 0 to 272"},
		{"oldest_secret = \"90\"\n", "want a number of days"},
		{"security_keys = [\"Ops!\"]\n", `"Ops!" is no name`},
		{"shortest_journal = \"90d\"\nlongest_journal = \"30d\"\n", "no journal can be both"},
		{"name = \"a\\u202eb\"\n", "want a text"},
		{"[gate]\npolicy = \"all\"\n", `unknown key "gate"`},
	} {
		_, err := requirements(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}
