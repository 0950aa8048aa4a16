package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/client"
)

func secret(t testing.TB) client.Secret {
	t.Helper()
	s, err := client.ParseSecret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rotating is a profile for rotating sequences alone.
func rotating(t testing.TB) *client.Profile {
	return &client.Profile{
		Name: "gate", Host: "gate.example.org", Doors: []string{"ssh", "db"},
		Rotating: secret(t), Shape: client.Shape{Knocks: 5, First: 1024, Last: 32767, Protos: "tcp"},
	}
}

func TestRotatingProfiles(t *testing.T) {
	p := rotating(t)
	want := "# sallyport profile v1: keep this to yourself\nname = gate\nhost = gate.example.org\ndoors = ssh, db\n" +
		"rotating = GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nshape = 5 tcp 1024-32767\n"
	if got := string(p.Marshal()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	both := full(t)
	both.Rotating, both.Shape = p.Rotating, p.Shape
	for _, p := range []*client.Profile{p, both} {
		if got, err := client.ParseProfile(p.Marshal()); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, p)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", p, both, both); strings.Contains(shown, "GEZDG") {
		t.Errorf("a profile shows its secret: %s", shown)
	}
	for _, c := range []struct{ from, to, want string }{
		{"doors = ssh, db\n", "", "doors is missing"},
		{"rotating = GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", "", "port is missing"},
		{"shape = 5 tcp 1024-32767\n", "", "shape is missing"},
		{"Q\n", "\n", "rotating = "},
		{"tcp", "icmp", "shape = "},
		{"5 tcp", "05 tcp", "shape = "},
		{"5 tcp", "+5 tcp", "shape = "},
		{"5 tcp 1024-32767", "5 tcp", "shape = "},
		{"5 tcp", "5  tcp", "shape = "},
		{"1024-32767", "1024", "shape = "},
		{"32767", "32768", "shape = "},
		{"32767", "32767 ", "shape = "},
		{"doors =", "port = 7\ndoors =", "server_key is missing"},
	} {
		text := strings.Replace(want, c.from, c.to, 1)
		if _, err := client.ParseProfile([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.to, err, c.want)
		}
	}
}

func TestRotatingURI(t *testing.T) {
	p := rotating(t)
	text := p.RotatingURI()
	if len(text) > 180 {
		t.Errorf("%d bytes do not fit a terminal as a QR code", len(text))
	}
	if got, err := client.ParseRotatingURI(text); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%s: got %+v, %v", text, got, err)
	}
	six := rotating(t)
	six.Name, six.Host = "2001-db8--7", "2001:db8::7"
	if got, err := client.ParseRotatingURI(six.RotatingURI()); err != nil || !reflect.DeepEqual(got, six) {
		t.Errorf("%s: got %+v, %v", six.RotatingURI(), got, err)
	}
	for _, bad := range []string{
		"", "sallyport:", "https" + text[len("sallyport"):], text + "&x=y", text + "#", strings.Replace(text, "tcp", "any", 1),
		strings.Replace(text, "GEZ", "GE1", 1), strings.Replace(text, "gate.example.org", "-oProxyCommand=x", 1),
		strings.Replace(text, "gate.example.org", "gate.example.org:22", 1), strings.Replace(text, "ssh", "", 1),
		strings.Replace(text, "sallyport://", "sallyport://me@", 1), strings.Replace(text, "?", "/x?", 1),
	} {
		if p, err := client.ParseRotatingURI(bad); err == nil {
			t.Errorf("%s: %+v", bad, p)
		} else if strings.Contains(err.Error(), "GEZDGN") {
			t.Errorf("the message shows the secret: %v", err)
		}
	}
}

func TestProfilesWithoutTheOtherWay(t *testing.T) {
	ctx := context.Background()
	if _, err := client.Knock(ctx, rotating(t), client.Options{}); err == nil || !strings.Contains(err.Error(), "no server key") {
		t.Errorf("a message without a key: %v", err)
	}
	if _, err := client.KnockRotating(ctx, full(t), client.Options{}); err == nil || !strings.Contains(err.Error(), "no secret") {
		t.Errorf("a sequence without a secret: %v", err)
	}
}

// FuzzRotatingURI: what is taken is what would be written.
func FuzzRotatingURI(f *testing.F) {
	f.Add(rotating(f).RotatingURI())
	f.Add("sallyport://[fe80::1%25eth0]/?d=&s=&r=5,tcp,1-2")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := client.ParseRotatingURI(text)
		if err == nil && (p.RotatingURI() != text || p.Validate() != nil) {
			t.Errorf("%q became %+v", text, p)
		}
	})
}

// A step opens a door once. That it was used is remembered with the profile,
// for its door alone, until the next step or another profile.
func TestUsedStepIsRemembered(t *testing.T) {
	home(t)
	p := rotating(t)
	p.Host = "127.0.0.1"
	if err := client.Save(p); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	knock := func(door string) ([]client.Sent, error) {
		return client.KnockRotating(t.Context(), p, client.Options{Doors: []string{door}, Now: func() time.Time { return now }})
	}
	sent, err := knock("ssh")
	if err != nil || len(sent) != 1 {
		t.Fatalf("got %+v, %v", sent, err)
	}
	var used *client.UsedStepError
	if _, err := knock("ssh"); !errors.As(err, &used) || !used.Again.Equal(sent[0].Again) || hint(err) == "" {
		t.Errorf("again: %v", err)
	}
	if _, err := knock("db"); err != nil {
		t.Errorf("another door: %v", err)
	}
	now = sent[0].Again
	if _, err := knock("ssh"); err != nil {
		t.Errorf("the next step: %v", err)
	}
	now = now.Add(-time.Hour)
	if _, err := knock("ssh"); err != nil {
		t.Errorf("a clock that was an hour ahead: %v", err)
	}
	if err := client.Save(p); err != nil {
		t.Fatal(err)
	}
	if _, err := knock("ssh"); err != nil {
		t.Errorf("a new profile: %v", err)
	}
	if err := client.Remove(p.Name); err != nil {
		t.Fatal(err)
	}
	dir, err := client.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
