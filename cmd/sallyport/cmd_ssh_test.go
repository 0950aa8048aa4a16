package main

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/client"
)

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
