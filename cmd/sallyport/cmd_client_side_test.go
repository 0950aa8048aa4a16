package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/client"
	"sallyport/internal/key"
)

// call runs a command line in this process.
func call(t *testing.T, input string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(context.Background(), args, stdio{strings.NewReader(input), &out, &errs})
	return out.String(), errs.String(), status
}

// emptyHome gives the test a home without keys, profiles or agent.
func emptyHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, ".config"))
	t.Setenv("SSH_AUTH_SOCK", "")
	return dir
}

func TestProfileCommands(t *testing.T) {
	emptyHome(t)
	text := string((&client.Profile{Name: "office", Host: "127.0.0.1", Port: 9, ServerKey: newServerKey(t), Doors: []string{"ssh"}}).Marshal())
	steps := []struct {
		args   []string
		input  string
		status int
		want   string
	}{
		{[]string{"list"}, "", 0, ""},
		{[]string{"knock", "office"}, "", 1, "hint: sallyport add FILE"},
		{[]string{"add", "-"}, strings.Replace(text, "host", "hots", 1), 1, `line 3: "hots" is not a key`},
		{[]string{"add", "-"}, text, 0, "ProxyCommand sallyport proxy office %h %p"},
		{[]string{"add", "-"}, text, 1, "--replace"},
		{[]string{"add", "-", "--replace"}, text, 0, "added"},
		{[]string{"list"}, "", 0, "office\t127.0.0.1:9 ssh\n"},
		{[]string{"list", "--json"}, "", 0, `"host": "127.0.0.1"`},
		{[]string{"knock", "offcie"}, "", 1, "hint: there is office;"},
		{[]string{"knock", "office"}, "", 1, "sallyport keygen"},
		{[]string{"doctor", "office", "--ntp", "off"}, "", 1, "FAIL  key"},
		{[]string{"remove", "office"}, "", 0, "removed"},
		{[]string{"remove", "office"}, "", 1, `there is no profile "office"`},
		{[]string{"add", "/nosuch"}, "", 1, "no such file"},
	}
	for _, step := range steps {
		out, errs, status := call(t, step.input, step.args...)
		if status != step.status || !strings.Contains(out+errs, step.want) {
			t.Errorf("%q: status %d\n%s%s\nwant status %d and %s", step.args, status, out, errs, step.status, step.want)
		}
	}
}

func TestClientUsage(t *testing.T) {
	emptyHome(t)
	for _, args := range [][]string{
		{"knock"},
		{"knock", "office", "--for", "0s"},
		{"knock", "office", "--ipv4", "--ipv6"},
		{"knock", "office", "--for", "1500ms"},
		{"knock", "office", "--gap", "1s"},
		{"knock", "192.0.2.1", "tcp/1", "--single"},
		{"knock", "192.0.2.1", "tcp/1", "ssh"},
		{"close"},
		{"proxy", "office", "host"},
		{"ssh"},
		{"pair", "root@"},
		{"pair", "-oProxyCommand=x"},
		{"pair", "root@gate", "--name", "a b"},
		{"pair", "root@gate", "--door", "$(reboot)"},
		{"keygen", "--no-passphrase", "-C", "two\nlines"},
	} {
		if _, errs, status := call(t, "", args...); status != exitUsage {
			t.Errorf("%q: status %d\n%s", args, status, errs)
		}
	}
}

func TestKeygen(t *testing.T) {
	home := emptyHome(t)
	path := filepath.Join(home, ".ssh", "id_ed25519")
	if out, errs, status := call(t, "", "keygen", "--no-passphrase", "-C", "me"); status != 0 || !strings.Contains(out, "ssh-ed25519 AAAA") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, path + ".pub": 0o644} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	before, _ := os.ReadFile(path)
	if _, errs, status := call(t, "", "keygen", "--no-passphrase"); status != 1 || !strings.Contains(errs, "is left alone") {
		t.Errorf("again: status %d\n%s", status, errs)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the key was overwritten")
	}
}

func TestSSHArguments(t *testing.T) {
	granted := func(server string) client.Result {
		return client.Result{Grants: []client.Grant{{Server: netip.MustParseAddrPort(server)}}}
	}
	tests := []struct {
		user   string
		result client.Result
		rest   []string
		want   string
	}{
		{"", client.Result{}, nil, "ssh gate"},
		{"", granted("192.0.2.1:1"), []string{"-p", "2222", "uptime"}, "ssh -o AddressFamily=inet gate -p 2222 uptime"},
		{"alice", granted("[2001:db8::1]:1"), nil, "ssh -o AddressFamily=inet6 -l alice gate"},
	}
	for _, test := range tests {
		if got := strings.Join(sshArguments(test.user, "gate", test.result, test.rest), " "); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestDefaultClientIsAName(t *testing.T) {
	if name := defaultClient(); !word.MatchString(name) {
		t.Errorf("%q is no name", name)
	}
}

func TestPassphraseIsAskedForOnce(t *testing.T) {
	var asked []string
	ask := askOnce(func(path string) ([]byte, error) { asked = append(asked, path); return []byte("secret"), nil })
	for _, path := range []string{"a", "b", "a"} {
		secret, err := ask(path)
		if err != nil || string(secret) != "secret" {
			t.Errorf("got %q, %v", secret, err)
		}
		clear(secret) // whoever has asked may wipe it
	}
	if !slices.Equal(asked, []string{"a", "b"}) {
		t.Errorf("asked for %q", asked)
	}
}

func newServerKey(t *testing.T) string {
	t.Helper()
	private, err := key.Generate(key.X25519)
	if err != nil {
		t.Fatal(err)
	}
	return private.Public().Text()
}
