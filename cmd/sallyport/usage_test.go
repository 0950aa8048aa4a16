//go:build linux && !client_only

package main

import (
	"strings"
	"testing"
)

// Whatever is mistyped, the answer is in our words, with the status of a wrong
// command line, and says what to type.
func TestWrongCommandLines(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "")
	for _, test := range []struct{ typed, want string }{
		{"stauts", `unknown command "stauts" | did you mean status?`},
		{"knok", `unknown command "knok" | did you mean knock?`},
		{"frobnicate", `unknown command "frobnicate" | sallyport --help lists the commands`},
		{"client ad", `unknown command "ad" of sallyport client | did you mean add?`},
		{"door lst", `unknown command "lst" of sallyport door | did you mean list?`},
		{"ban frobnicate", `unknown command "frobnicate" of sallyport ban | there are: add, list, remove`},
		{"status --wacth", `unknown flag --wacth | did you mean --watch?`},
		{"status -x", `unknown flag -x | sallyport status --help lists the flags`},
		{"status --json --watch", `--json and --watch do not go together | usage: sallyport status [flags]`},
		{"knock -4 -6 x", `--ipv4 and --ipv6 do not go together | usage: `},
		{"status --json=maybe", `--json "maybe": want true or false`},
		{"status x", `one argument too many: "x" | usage: sallyport status`},
		{"why", `an argument is missing | usage: sallyport why`},
		{"client profile a --host h --page https://k.example/", `one argument too many: "https://k.example/" | the value of --page stands behind an equals sign: --page=https://k.example/`},
		{"page --serve 127.0.0.1:0", `one argument too many: "127.0.0.1:0" | the value of --serve stands behind an equals sign: --serve=127.0.0.1:0`},
		{"why a b", `one argument too many: "b" | usage: sallyport why`},
		{"open ssh --source", `--source needs a value`},
		{"open ssh --source gate.example.org", `--source "gate.example.org": this is a name, and an address is wanted: look it up with getent hosts gate.example.org`},
		{"open ssh --source 192.0.2.0/24", `--source "192.0.2.0/24": this is a prefix, and one address is wanted`},
		{"open ssh --source 192.0.2", `--source "192.0.2": want an address such as 192.0.2.7`},
		{"events --source 192.0.2", `--source "192.0.2": want an address such as 192.0.2.7, or a prefix`},
		{"ban add gate.example.org", `"gate.example.org": this is a name`},
		{"open ssh --source 192.0.2.7 --for 10", `--for "10": a unit is missing: want 10s, 10m, 10h or 10d`},
		{"ban add 192.0.2.7 --for 10min", `--for "10min": want 10m`},
		{"reload --confirm 60", `--confirm "60": a unit is missing`},
		{"knock office --timeout soon", `--timeout "soon": want a time such as 90s, 10m, 1h30m or 7d`},
		{"client rotate x --keep -1d", `--keep "-1d": want a time`},
		{"events -n x", `--limit "x": want a whole number`},
		{"client profile x --host h --port 99999", `--port "99999": want a number from 0 to 65535`},
	} {
		_, errs, status := call(t, "", strings.Fields(test.typed)...)
		if want := "sallyport: " + strings.Replace(test.want, " | ", "\nhint: ", 1); status != exitUsage || !strings.HasPrefix(errs, want) {
			t.Errorf("sallyport %s: status %d\n%swant\n%s", test.typed, status, errs, want)
		}
	}
}

// In an SSH session, "me" is where it comes from.
func TestSourceMe(t *testing.T) {
	if addr, err := parseAddress("me"); err == nil && !addr.IsValid() {
		t.Errorf("%v without a session", addr)
	}
	var f addressFlag
	if err := f.Set("2001:db8::7"); err != nil || f.String() != "2001:db8::7" {
		t.Errorf("%v, %v", f, err)
	}
}
