package invite_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/internal/invite"
	"sallyport/internal/key"
)

func link(t testing.TB) invite.Link {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return invite.Link{
		Hosts: []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}, Port: 40321, ServerKey: private.Public(), Seed: make([]byte, invite.SeedSize),
		Doors: []invite.Door{{"ssh", 30 * time.Second, ""}, {"web", time.Hour, "https://192.0.2.1/"}}, Name: "phone", Gate: "tokyo", Shape: "5 tcp 1024-32767",
		Issued: time.Unix(1798761600, 0), Skew: 2 * time.Minute,
	}
}

func TestLinkIsReadAsItIsWritten(t *testing.T) {
	full := link(t)
	bare := link(t)
	bare.Hosts, bare.Name, bare.Gate, bare.Shape, bare.Skew = bare.Hosts[1:], "", "", "", time.Minute
	bare.Doors = bare.Doors[:1]
	for name, l := range map[string]invite.Link{"full": full, "bare": bare} {
		for _, text := range []string{l.Text(), "https://knock.example.org/k.html#" + l.Text(), "  " + l.Text() + "\n"} {
			got, err := invite.Parse(text)
			if err != nil || !reflect.DeepEqual(got, l) {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, l)
			}
		}
	}
	if text := bare.Text(); strings.Contains(text, "z=") || strings.Contains(text, "w=") || strings.Contains(text, "h=") {
		t.Error(text)
	}
}

func TestLinksThatAreNone(t *testing.T) {
	good := link(t).Text()
	with := func(old, now string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s", old)
		}
		return strings.Replace(good, old, now, 1)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":            {"", invite.ErrNoLink},
		"a page":           {"https://knock.example.org/", invite.ErrNoLink},
		"inside a word":    {"xsallyport://192.0.2.1?i=x", invite.ErrNoLink},
		"a gate":           {"sallyport://192.0.2.1?d=ssh", invite.ErrNoInvite},
		"cut off":          {good[:len(good)-40], invite.ErrDamaged},
		"a changed key":    {with("k=sallyport-server-public-v1%3Ax25519%3A", "k=sallyport-server-public-v1%3Ax25519%3AA"), invite.ErrDamaged},
		"a later key":      {with("public-v1", "public-v2"), invite.ErrOtherVersion},
		"a later link":     {good + "&x=1", invite.ErrOtherVersion},
		"a short seed":     {with("i=AAAA", "i="), invite.ErrDamaged},
		"a name for host":  {with("[2001:db8::1]", "gate.example.org"), invite.ErrDamaged},
		"no port":          {with("p=40321", "p=0"), invite.ErrDamaged},
		"too long":         {good + strings.Repeat("&h=192.0.2.1", 1000), invite.ErrDamaged},
		"too many seconds": {with("o=30", "o=30000000"), invite.ErrDamaged},
		"a door too few":   {with("d=ssh%2Cweb", "d=ssh"), invite.ErrDamaged},
	} {
		if l, err := invite.Parse(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(link(f).Text())
	f.Fuzz(func(t *testing.T, text string) {
		l, err := invite.Parse(text)
		if err != nil {
			return
		}
		if again, err := invite.Parse(l.Text()); err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("%q: %+v, then %+v, %v", text, l, again, err)
		}
	})
}
