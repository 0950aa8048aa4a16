package main

import (
	"strings"
	"testing"
)

func TestSSHArguments(t *testing.T) {
	if !passesDescriptors {
		t.Skip("ssh takes no connections from a proxy here")
	}
	const before = "ssh -o ProxyUseFdpass=yes -o ProxyCommand="
	tests := []struct {
		user  string
		proxy []string
		rest  []string
		want  string
	}{
		{"", []string{"/bin/sallyport", "proxy", "office"}, nil, before + "'/bin/sallyport' 'proxy' 'office' '--fdpass' %h %p gate"},
		{"alice", []string{"/a b%/it's", "proxy"}, []string{"-p", "2222", "uptime"}, before + `'/a b%%/it'\''s' 'proxy' '--fdpass' %h %p -l alice gate -p 2222 uptime`},
	}
	for _, test := range tests {
		if got := strings.Join(sshArguments(test.user, "gate", test.proxy, test.rest), " "); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
