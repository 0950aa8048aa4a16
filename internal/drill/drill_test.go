//go:build linux

package drill

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/detect"
	"sallyport/internal/lang"
)

// paths lists every field of a type, into structs of this project that hold
// settings of their own.
func paths(t reflect.Type, under string) (list []string) {
	for f := range t.NumField() {
		field := t.Field(f)
		path, inner := under+field.Name, field.Type
		if inner.Kind() == reflect.Slice {
			inner, path = inner.Elem(), path+"[]"
		}
		own := inner.Kind() == reflect.Struct && strings.Contains("Daemon Gate SPA Rotating Shape Journal Metrics API Detect Ban Moat Door Group Client Secret", inner.Name()) && inner.Name() != ""
		if secret := inner.String() == "sequence.Secret"; own && !secret {
			list = append(list, paths(inner, path+".")...)
			continue
		}
		list = append(list, strings.TrimSuffix(path, "[]"))
	}
	return list
}

// Nothing is taken of a configuration that nobody has thought about.
func TestEveryFieldIsOnTheList(t *testing.T) {
	var listed []string
	for _, f := range Fields() {
		listed = append(listed, f.Path)
		if f.Why == "" || !slices.Contains([]Treatment{Taken, Replaced, LeftOut}, f.How) {
			t.Errorf("%s: %q, %q", f.Path, f.How, f.Why)
		}
	}
	fields := paths(reflect.TypeFor[config.Config](), "")
	for _, path := range fields {
		if !slices.Contains(listed, path) {
			t.Errorf("%s is not on the list: is it taken, replaced or left out?", path)
		}
	}
	for _, path := range listed {
		if !slices.Contains(fields, path) {
			t.Errorf("%s is on the list, and no field", path)
		}
	}
}

func reference(t *testing.T) *config.Config {
	t.Helper()
	return loaded(t, `
[gate]
name = "tokyo"
policy = "all"
closed = "reject"
public = ["tcp/80", "tcp/2323"]
trusted = ["198.18.0.0/15", "192.0.2.0/25", "192.168.1.0/24"]
timezone = "Europe/Berlin"
[spa]
port = 40321
clock_skew = "90s"
ack = false
stun = true
[rotating]
knocks = 6
ports = "2000-30000"
proto = "both"
within = "9s"
[detect]
guesses = 11
slow_window = "168h"
[metrics]
listen = "127.0.0.1:9477"
[ban]
enabled = true
decoys = ["tcp/2323"]
[[door]]
name = "ssh"
ports = ["tcp/22", "udp/60000-60002"]
sequence = ["tcp/17043", "udp/8124", "tcp/29017"]
sequence_previous = ["tcp/17044", "udp/8125", "tcp/29018"]
sequence_previous_until = 2099-01-01
hours = ["Mon-Fri 08:00-18:00"]
to = ["192.0.2.0/28"]
widen4 = 24
[[door]]
name = "web"
ports = ["tcp/8443"]
single = true
[[group]]
name = "office"
doors = ["ssh", "web"]
sequence = ["tcp/7100", "udp/8100", "tcp/6100"]
[[client]]
name = "alice"
doors = ["office"]
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDDhD78bv1xi7z4WjU6K52xtsZ86oxYkSuJ6lO/7urRq alice@laptop"
rotating = "KVKFKRCPNZQUYMLXOVYDSQKJKZDTSRLD"
from = ["198.51.100.0/24", "2001:db8::/32"]
max_open = "10m"
max_grants = 4
stun = true
suites = ["mlkem768-x25519", "x25519"]
[[hook]]
on = ["open"]
command = ["/bin/true"]
`)
}

func loaded(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sallyport.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(os.DirFS("/"), path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// What is taken arrives; what is not, does not.
func TestThePlanIsTheConfiguration(t *testing.T) {
	cfg := reference(t)
	p, err := take(cfg, false, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path, err := p.write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(os.DirFS("/"), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Fields() {
		in, out := values(reflect.ValueOf(*cfg), strings.Split(f.Path, ".")), values(reflect.ValueOf(*got), strings.Split(f.Path, "."))
		same := reflect.DeepEqual(in, out) || fmt.Sprint(in) == fmt.Sprint(out)
		if f.How == Taken && f.Path != "Gate.Trusted" && !same {
			t.Errorf("%s is taken: %v has become %v", f.Path, in, out)
		}
	}
	for _, trusted := range got.Gate.Trusted {
		if slices.ContainsFunc(p.lab(), trusted.Overlaps) {
			t.Errorf("%s is trusted: attacks from there would not be attacks", trusted)
		}
	}
	if len(got.Gate.Trusted) != 2 { // all but that of the lab's client
		t.Errorf("trusted %v", got.Gate.Trusted)
	}
	if len(got.Hooks)+len(got.Webhooks) > 0 || got.Metrics.Listen != "" || got.Doors[0].To != nil {
		t.Error("a drill reaches others")
	}
	for i, c := range got.Clients {
		if reflect.DeepEqual(c.Key, cfg.Clients[i].Key) || c.Rotating == cfg.Clients[i].Rotating {
			t.Errorf("client %q has its real secrets", c.Name)
		}
	}
}

// values lists what a path leads to, in every element.
func values(v reflect.Value, path []string) (list []any) {
	if len(path) == 0 {
		return []any{v.Interface()}
	}
	name, each := strings.CutSuffix(path[0], "[]")
	v = v.FieldByName(name)
	if !each {
		return values(v, path[1:])
	}
	for i := range v.Len() {
		list = append(list, values(v.Index(i), path[1:])...)
	}
	return list
}

// A drill that is to end says so, and has no verdict on what it has not carried out.
func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	list := slices.DeleteFunc(Catalogue(), func(a Attack) bool { return !strings.HasPrefix(a.ID, "day-forbidden") && a.ID != "day-flood" })
	results, err := Run(ctx, list, Options{Config: reference(t), AtOnce: 1, Done: func(Result) { stop() }})
	if !errors.Is(err, ErrStopped) || len(results) != 3 || results[0].Verdict != Held || results[2].Verdict != "" || results[2].Why != "" {
		t.Errorf("%v: %+v", err, results)
	}
}

// What simulated attacks have in common is read once.
func TestOrdinaryIsReadOnce(t *testing.T) {
	a, err := ordinary()
	if b, again := ordinary(); err != nil || again != nil || a != b {
		t.Errorf("%p, %v; %p, %v", a, err, b, again)
	}
}

// Each attack on the network has a sibling over IPv6, and each stranger there a
// network of its own.
func TestBothFamilies(t *testing.T) {
	list := Catalogue()
	for _, a := range list {
		sibling := slices.ContainsFunc(list, func(b Attack) bool { return b.ID == a.ID+"-6" && b.IPv6 })
		if sibling == (a.Simulated || a.IPv6) {
			t.Errorf("%s: over IPv6 is %v", a.ID, sibling)
		}
	}
	p, err := take(reference(t), true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[netip.Prefix]bool)
	for range 2000 {
		a := p.stranger()
		if network := netip.PrefixFrom(a, 48).Masked(); !p.pool.Contains(a) || seen[network] {
			t.Fatalf("%s is not in a network of its own within %s", a, p.pool)
		} else {
			seen[network] = true
		}
	}
	if home, ok := p.homeOf(p.named("alice")); !ok || !netip.MustParsePrefix("2001:db8::/32").Contains(home) || slices.ContainsFunc(p.lab(), func(l netip.Prefix) bool { return l.Contains(home) && home.As16()[15] < 7 }) {
		t.Errorf("alice knocks from %s", home)
	}
}

// Identifiers are unique, groups known, rules those of the detection, and texts in both languages.
func TestCatalogue(t *testing.T) {
	seen := make(map[string]bool)
	list := Catalogue()
	if len(list) < 30 {
		t.Errorf("%d attacks, want at least 30", len(list))
	}
	for _, a := range list {
		does, not := a.Described(lang.Japanese)
		switch {
		case seen[a.ID]:
			t.Errorf("%s is there twice", a.ID)
		case !slices.Contains(Groups(), a.Group):
			t.Errorf("%s is of the unknown group %q", a.ID, a.Group)
		case a.Rule != "" && (!slices.Contains(detect.Rules(), a.Rule) || a.Within == 0):
			t.Errorf("%s expects %q within %s", a.ID, a.Rule, a.Within)
		case does == a.Does || not == a.Not || a.Does == "":
			t.Errorf("%s is not described in both languages", a.ID)
		case a.run == nil && !a.Simulated:
			t.Errorf("%s does nothing", a.ID)
		}
		seen[a.ID] = true
	}
}
