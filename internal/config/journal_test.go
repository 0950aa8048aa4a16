package config

import (
	"testing"
	"time"
)

func TestJournal(t *testing.T) {
	const wantSize = `want a size in quotes, such as "256MiB", 16MiB to 1TiB`
	for _, c := range []struct {
		toml string
		want Journal
	}{
		{"#", Journal{"/var/lib/sallyport/journal.db", 90 * day, 256 << 20, true}},
		{"daemon.state_dir='/srv/s'", Journal{"/srv/s/journal.db", 90 * day, 256 << 20, true}},
		{"[journal]\npath='/j.db'\nkeep='7d'\nmax_size='1GiB'\nchain=false", Journal{"/j.db", 7 * 24 * time.Hour, 1 << 30, false}},
		{"journal.max_size='16MiB'", Journal{"/var/lib/sallyport/journal.db", 90 * day, 16 << 20, true}},
		{"journal.max_size='1TiB'", Journal{"/var/lib/sallyport/journal.db", 90 * day, 1 << 40, true}},
	} {
		got, err := Load(tree("sallyport.toml", c.toml), main)
		if err != nil {
			t.Errorf("%q: %v", c.toml, err)
			continue
		}
		if got.Journal != c.want {
			t.Errorf("%q: %+v, want %+v", c.toml, got.Journal, c.want)
		}
	}
	for _, c := range []struct{ toml, want string }{
		{"journal.keep='0d'", `:1: journal: keep = "0d": want a number of days in quotes, such as "90d", 1d to 3650d`},
		{"journal.path='j.db'", `:1: journal: path = "j.db": want an absolute path`},
		{"journal.max_size=256", `:1: journal: max_size = 256: ` + wantSize},
		{"journal.max_size='256MB'", `:1: journal: max_size = "256MB": ` + wantSize},
		{"journal.max_size='15MiB'", `:1: journal: max_size = "15MiB": ` + wantSize},
		{"journal.max_size='2TiB'", `:1: journal: max_size = "2TiB": ` + wantSize},
		{"journal.max_size='0256MiB'", `:1: journal: max_size = "0256MiB": ` + wantSize},
		{"journal.max_size='-1GiB'", `:1: journal: max_size = "-1GiB": ` + wantSize},
		{"journal.max_size='9999999999999GiB'", `:1: journal: max_size = "9999999999999GiB": ` + wantSize},
		{"journal.chain='yes'", `:1: journal: chain = "yes": want true or false`},
		{"journal.size='1GiB'", `:1: journal: unknown key "size": want chain, keep, max_size or path`},
	} {
		refuses(t, tree("sallyport.toml", c.toml), main+c.want)
	}
}

func TestJournalIsFoundInABrokenConfiguration(t *testing.T) {
	for text, want := range map[string]string{
		"journal.path='/j.db'\nnonsense = 1": "/j.db",
		"not TOML at all":                    "/var/lib/sallyport/journal.db",
	} {
		if got := JournalPath(tree("sallyport.toml", text), main); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
