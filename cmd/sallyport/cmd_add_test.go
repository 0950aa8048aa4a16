package main

import (
	"strings"
	"testing"

	"sallyport/client"
)

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
		{[]string{"add", "-", "--as", "Berlin!"}, text, 2, "--as"},
		{[]string{"add", "-", "--as", "berlin"}, text, 0, "sallyport knock berlin"},
		{[]string{"remove", "berlin"}, "", 0, "removed"},
		{[]string{"list"}, "", 0, "office\t127.0.0.1:9 ssh\n"},
		{[]string{"list", "--json"}, "", 0, `"host": "127.0.0.1"`},
		{[]string{"knock", "offcie"}, "", 1, "hint: did you mean office?"},
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
